#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "objects.h"

namespace strata::userspace {
namespace {

constexpr std::size_t kMostLinkBytes = 1 << 20;  // a header with its path; counters may lie behind

Result<UniqueFd> OpenFile(const Session& session, ObjectId object) {
  UniqueFd fd(
      ::openat(session.folder_fd(), FileNameOf(object).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return Error::FromErrno(errno, TextOf(object));
  return fd;
}

Result<LinkInfo> ReadLinkInfo(int fd, std::uint32_t id) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Error::FromErrno(errno, "link");
  std::vector<std::byte> bytes(std::min<std::size_t>(static_cast<std::size_t>(status.st_size), kMostLinkBytes));
  const ssize_t size = ::pread(fd, bytes.data(), bytes.size(), 0);
  if (size < 0) return Error::FromErrno(errno, "link");
  return MakeLinkInfo(std::span(bytes).first(static_cast<std::size_t>(size)), id);
}

template <typename Info>
void SortById(std::vector<Info>* infos) {
  std::sort(infos->begin(), infos->end(), [](const Info& a, const Info& b) { return a.id < b.id; });
}

// What is not what its name says is left out.
void AddObject(const Session& session, ObjectId object, ObjectListing* listing) {
  const auto fd = OpenFile(session, object);
  if (!fd) return;
  switch (object.kind) {
    case ObjectKind::kMap:
      if (const auto header = session.ReadMapHeader(FileNameOf(object))) listing->maps.push_back(MakeMapInfo(*header));
      break;
    case ObjectKind::kProgram:
      if (auto info = ReadProgramInfo(fd->get(), object.id)) listing->programs.push_back(*std::move(info));
      break;
    case ObjectKind::kLink:
      if (auto info = ReadLinkInfo(fd->get(), object.id)) listing->links.push_back(*std::move(info));
      break;
    case ObjectKind::kTypes:
      if (auto info = ReadTypesInfo(session, FileNameOf(object))) listing->types.push_back(*std::move(info));
      break;
    case ObjectKind::kStats:
      break;
  }
}

}  // namespace

Result<ObjectListing> ListObjects(const Session& session) {
  ObjectListing listing;
  const std::set<ObjectId> garbage = session.Garbage();
  for (const ObjectId object : ObjectsIn(session.folder_fd())) {
    if (!garbage.contains(object)) AddObject(session, object, &listing);
  }
  SortById(&listing.maps);
  SortById(&listing.programs);
  SortById(&listing.links);
  SortById(&listing.types);
  return listing;
}

}  // namespace strata::userspace
