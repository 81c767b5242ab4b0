#include <algorithm>
#include <array>
#include <cstring>

#include "objects.h"

namespace strata::userspace {
namespace {

// Calls use(bytes) with the start of each file of that prefix whose object is alive; a file that is not what its name
// says is left out.
template <typename Use>
Result<void> ForEachAlive(const Session& session, std::string_view prefix, std::span<std::byte> buffer, Use use) {
  for (const std::string& name : STRATA_TRY(session.Names(prefix))) {
    const auto size = session.ReadStart(name, Session::Liveness::kHeld, buffer);
    if (size) use(buffer.first(*size));
  }
  return {};
}

template <typename Header>
bool ReadHeader(std::span<const std::byte> bytes, runtime::FileMagic magic, Header* out) {
  if (bytes.size() < sizeof(Header)) return false;
  std::memcpy(out, bytes.data(), sizeof(Header));
  return out->magic == static_cast<std::uint32_t>(magic) && out->version == runtime::kLayoutVersion;
}

LinkInfo MakeLinkInfo(const runtime::LinkHeader& header, std::span<const std::byte> bytes) {
  LinkInfo info;
  info.id = header.id;
  info.program_id = header.program_id;
  info.kind.assign(header.kind, ::strnlen(header.kind, sizeof(header.kind)));
  info.pid = header.pid;
  if (header.path_offset <= bytes.size() && header.path_size <= bytes.size() - header.path_offset) {
    const char* path = reinterpret_cast<const char*>(bytes.data()) + header.path_offset;
    info.path.assign(path, ::strnlen(path, header.path_size));
  }
  return info;
}

template <typename Info>
void SortById(std::vector<Info>* infos) {
  std::sort(infos->begin(), infos->end(), [](const Info& a, const Info& b) { return a.id < b.id; });
}

}  // namespace

Result<ObjectListing> ListObjects(const Session& session) {
  ObjectListing listing;
  std::vector<std::byte> buffer(16 << 10);  // a link's header with its path
  for (const std::string& name : STRATA_TRY(session.Names(runtime::kMapPrefix))) {
    if (auto info = session.ReadMapHeader(name)) listing.maps.push_back(MakeMapInfo(*info));
  }
  STRATA_TRY(ForEachAlive(session, runtime::kProgramPrefix, buffer, [&](std::span<const std::byte> bytes) {
    runtime::ProgramHeader header;
    if (ReadHeader(bytes, runtime::FileMagic::kProgram, &header)) listing.programs.push_back(MakeProgramInfo(header));
  }));
  STRATA_TRY(ForEachAlive(session, runtime::kLinkPrefix, buffer, [&](std::span<const std::byte> bytes) {
    runtime::LinkHeader header;
    if (ReadHeader(bytes, runtime::FileMagic::kLink, &header)) listing.links.push_back(MakeLinkInfo(header, bytes));
  }));
  SortById(&listing.maps);
  SortById(&listing.programs);
  SortById(&listing.links);
  return listing;
}

}  // namespace strata::userspace
