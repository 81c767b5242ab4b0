// Programs that are disabled as a whole: no link of theirs runs them, those made meanwhile included.
//
// The program's file says so; each link of it has a copy of that in the word that its hooks look at, so that an event
// costs nothing more. Whoever dies half-way has disabled some of the links: the next call makes them all alike.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "objects.h"

namespace strata::userspace {
namespace {

using runtime::ProgramHeader;

Error NotThere(std::uint32_t id) {
  return Error(ErrorCode::kNotFound, fmt::format("program {}: there is none of that id", id), ENOENT);
}

Result<ProgramHeader> ReadHeader(const Session& session, std::uint32_t id) {
  const auto file =
      session.OpenHeld(runtime::kProgramPrefix + std::to_string(id), fmt::format("program {}", id), O_RDONLY);
  if (!file && file.error().code() == ErrorCode::kNotFound) return NotThere(id);
  if (!file) return file.error();
  ProgramHeader header{};
  if (::pread(file->fd.get(), &header, sizeof(header), 0) != sizeof(header) ||
      header.magic != static_cast<std::uint32_t>(runtime::FileMagic::kProgram) ||
      header.version != runtime::kLayoutVersion) {
    return Error(ErrorCode::kMalformed, fmt::format("program {}: its file is none", id));
  }
  return header;
}

Result<void> WriteFlag(const Session& session, std::uint32_t id, std::uint32_t disabled) {
  const std::string name = runtime::kProgramPrefix + std::to_string(id);
  const UniqueFd fd(::openat(session.folder_fd(), name.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return errno == ENOENT ? NotThere(id) : Error::FromErrno(errno, fmt::format("program {}", id));
  if (::pwrite(fd.get(), &disabled, sizeof(disabled), offsetof(ProgramHeader, disabled)) != sizeof(disabled)) {
    return Error::FromErrno(errno, fmt::format("program {}: writing its file", id));
  }
  return {};
}

struct LinksOfProgram {
  int folder_fd;
  std::uint32_t program_id;
  bool is_disabled;
};

long MarkLink(std::uint32_t id, void* argument) {
  const auto& links = *static_cast<LinksOfProgram*>(argument);
  runtime::LinkView view;
  if (runtime::MapLink(links.folder_fd, id, &view, nullptr) != 0) return 0;  // gone since
  if (view.header.program_id == links.program_id) {
    runtime::SetLinkState(view, runtime::link_state::kProgramDisabled, links.is_disabled);
  }
  runtime::UnmapLink(&view);
  return 0;
}

}  // namespace

Result<bool> IsProgramDisabled(const Session& session, std::uint32_t id) {
  const ProgramHeader header = STRATA_TRY(ReadHeader(session, id));
  return header.disabled != 0;
}

Result<void> SetProgramEnabled(const SharedPtr& shared, std::uint32_t id, bool is_enabled) {
  Session& session = *shared->session;
  STRATA_TRY(ReadHeader(session, id));
  STRATA_TRY(WriteFlag(session, id, is_enabled ? 0 : 1));
  LinksOfProgram links{session.folder_fd(), id, !is_enabled};
  runtime::ForEachObject(links.folder_fd, runtime::kLinkPrefix, MarkLink, &links);
  runtime::BeginPublish(session.process());
  runtime::EndPublish(session.process());
  return shared->ReconcileLocally(false);
}

}  // namespace strata::userspace
