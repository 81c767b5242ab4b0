#include "registry.h"

#include "collector.h"
#include "folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/session_view.h"

namespace strata::userspace {
namespace {

constexpr int kAttempts = 100;                 // a session may be removed while we open it
constexpr std::uint32_t kLogSize = 256 << 10;  // bytes of bpf_printk lines that wait for a reader

Result<UniqueFd> OpenRuntimeFolder(const std::string& path) {
  return OpenCheckedFolder(AT_FDCWD, path, path, S_ISVTX);  // with the sticky bit nobody can replace what is ours
}

Error BadName(const std::string& session) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("session \"{}\": a name has letters, digits, '.', '_' and '-', at most 63", session));
}

// Another version of strata made it. Nothing of it is touched.
Error OtherVersion(const std::string& folder, std::uint32_t version) {
  const bool is_newer = version > runtime::kLayoutVersion;
  return Error(ErrorCode::kNotSupported,
               fmt::format("session {}: is of layout version {}, this program has {}: {}, or use another session. When "
                           "no program of the other version runs any more, remove it: rm -r {}",
                           folder, version, runtime::kLayoutVersion,
                           is_newer ? "upgrade this program" : "upgrade the loaders and agents that use it", folder),
               EPROTO);
}

// Refuses the root of another layout version.
Result<void> CheckVersion(int fd, const std::string& folder) {
  std::uint32_t words[2] = {};
  if (::pread(fd, words, sizeof(words), 0) != static_cast<ssize_t>(sizeof(words))) return {};  // truncated: said later
  if (words[0] == static_cast<std::uint32_t>(runtime::FileMagic::kRoot) && words[1] != runtime::kLayoutVersion)
    return OtherVersion(folder, words[1]);
  return {};
}

}  // namespace

std::string DefaultRuntimeFolder() { return fmt::format("/dev/shm/strata-{}", ::geteuid()); }

Result<std::unique_ptr<Session>> Session::Open(const std::string& runtime_folder, const std::string& name,
                                               std::uint32_t possible_cpus, const SessionSharing& sharing) {
  if (!IsSessionName(name)) return BadName(name);
  const std::string runtime_path = runtime_folder.empty() ? DefaultRuntimeFolder() : runtime_folder;
  STRATA_TRY(CollectAllSessions(runtime_path));
  auto session = std::unique_ptr<Session>(new Session);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto opened = session->OpenFolder(runtime_path, name);
    if (!opened && opened.error().code() == ErrorCode::kNotFound && attempt + 1 < kAttempts) continue;  // just removed
    if (!opened) return opened.error();
    const auto agreed = session->AgreeOnSharing(sharing);
    if (!agreed && agreed.error().sys_errno() == ENOENT && attempt + 1 < kAttempts) continue;  // just removed
    if (!agreed) return agreed.error();
    if (!STRATA_TRY(session->TryOpenRoot(possible_cpus))) continue;
    STRATA_TRY(session->OpenProcess());
    STRATA_TRY(session->MakeLog());
    return session;
  }
  return Error(ErrorCode::kBusy,
               fmt::format("session {}: is being removed and made again and again", session->folder_));
}

Session::~Session() {
  if (process_ != nullptr) runtime::CloseProcess(process_);
  root_fd_.Reset();
  if (!runtime_fd_) return;
  CollectSession(runtime_fd_.get(), runtime_folder_, name_, Sweep::kRemove);
  // A folder that the user chose stays; the one that nobody asked for goes with its last session.
  ::rmdir(DefaultRuntimeFolder().c_str());
}

Result<void> Session::OpenFolder(const std::string& runtime_folder, const std::string& name) {
  runtime_fd_ = STRATA_TRY(OpenRuntimeFolder(runtime_folder));
  // Agents are given the path and may have another working folder.
  std::array<char, 4096> resolved{};
  if (::realpath(runtime_folder.c_str(), resolved.data()) == nullptr) return Error::FromErrno(errno, runtime_folder);
  name_ = name;
  runtime_folder_ = resolved.data();
  folder_ = fmt::format("{}/{}", runtime_folder_, name);
  if (folder_.size() >= sizeof(runtime::Process::session_path)) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("session {}: the path is too long", folder_));
  }
  folder_fd_ = STRATA_TRY(OpenCheckedFolder(runtime_fd_.get(), name, folder_, 0));
  return {};
}

// Who makes the session decides; who comes later shares what it makes in the same way.
Result<void> Session::AgreeOnSharing(const SessionSharing& wanted) {
  const bool is_wanted = wanted.with != SessionSharing::With::kOwnerOnly;
  auto existing = STRATA_TRY(ReadSharing(folder_fd_.get(), folder_));
  const bool exists = ::faccessat(folder_fd_.get(), runtime::kRootFile, F_OK, 0) == 0;
  if (is_wanted && !existing && !exists) {
    STRATA_TRY(MakeShared(runtime_fd_.get(), folder_fd_.get(), wanted, folder_));
    existing = STRATA_TRY(ReadSharing(folder_fd_.get(), folder_));
  }
  sharing_ = existing.value_or(SessionSharing{});
  if (!is_wanted || sharing_ == wanted) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("session {}: exists already and is {}; choose another session, or end its loaders first",
                           folder_, existing ? "shared with somebody else" : "not shared"),
               EEXIST);
}

// Opens the root and takes the session's lock, making it first where there is none. False when the session was removed
// under our hands.
Result<bool> Session::TryOpenRoot(std::uint32_t possible_cpus) {
  UniqueFd fd(::openat(folder_fd_.get(), runtime::kRootFile, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (fd) {
    if (::flock(fd.get(), LOCK_SH | LOCK_NB) != 0 || IsUnlinked(fd.get())) {
      ::usleep(1000);  // its remover is at work
      return false;
    }
    STRATA_TRY(CheckVersion(fd.get(), folder_));
    root_fd_ = std::move(fd);
    return true;
  }
  if (errno != ENOENT) return Error::FromErrno(errno, folder_ + "/root");
  const std::uint64_t size = runtime::kPageSize + possible_cpus * sizeof(runtime::SlotWord);
  auto made = MakeFile(size, "session " + folder_, SharedRights::kReadWrite);
  if (!made && made.error().code() == ErrorCode::kNotFound) return false;
  UniqueFd root = STRATA_TRY(std::move(made));
  runtime::RootHeader header{};
  header.magic = static_cast<std::uint32_t>(runtime::FileMagic::kRoot);
  header.version = runtime::kLayoutVersion;
  header.next_id = 1;
  header.slot_count = possible_cpus;
  header.slots_offset = runtime::kPageSize;
  header.file_size = size;
  if (::pwrite(root.get(), &header, sizeof(header), 0) != static_cast<ssize_t>(sizeof(header))) {
    return Error::FromErrno(errno, folder_ + "/root");
  }
  if (LinkFile(root.get(), folder_fd_.get(), runtime::kRootFile) != 0) {
    if (errno == EEXIST || errno == ENOENT) return false;  // another loader was first, or the folder is gone
    return Error::FromErrno(errno, folder_ + "/root");
  }
  root_fd_ = std::move(root);
  return true;
}

Result<void> Session::OpenProcess() {
  runtime::Reason reason;
  const long error = runtime::OpenProcess(folder_.c_str(), &process_, &reason);
  if (error == 0) return {};
  return Error(ErrorCodeFromErrno(static_cast<int>(-error)), fmt::format("session {}: {}", folder_, reason.text),
               static_cast<int>(-error));
}

// bpf_printk writes into it. Whoever opens the session first makes it.
Result<void> Session::MakeLog() {
  if (process_->log != nullptr) return {};
  runtime::MapAttributes attributes;
  attributes.type = MapType::kRingBuf;
  attributes.max_entries = kLogSize;
  runtime::MapGeometry geometry;
  runtime::ComputeGeometry(attributes, &geometry);
  UniqueFd fd = STRATA_TRY(MakeFile(geometry.file_size, "session " + folder_ + ": log", SharedRights::kReadWrite));
  runtime::MapIdentity identity;
  runtime::Reason reason;
  runtime::MapView* view = nullptr;
  const long error = runtime::CreateMap(*process_, fd.get(), attributes, geometry, identity, &view, &reason);
  if (error != 0)
    return Error::FromErrno(static_cast<int>(-error), fmt::format("session {}: log: {}", folder_, reason.text));
  if (LinkFile(fd.get(), folder_fd_.get(), runtime::kLogFile) == 0) {
    process_->log = view;
    return {};
  }
  const int link_errno = errno;
  runtime::ReleaseMap(view);
  if (link_errno != EEXIST) return Error::FromErrno(link_errno, folder_ + "/log");
  const UniqueFd theirs(::openat(folder_fd_.get(), runtime::kLogFile, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!theirs || runtime::OpenMap(*process_, theirs.get(), &process_->log, &reason) != 0) {
    return Error(ErrorCode::kMalformed, fmt::format("session {}: log: {}", folder_, reason.text));
  }
  return {};
}

std::uint32_t Session::NewId() { return __atomic_fetch_add(&process_->root->next_id, 1U, __ATOMIC_RELAXED); }

SharedRights Session::RightsToMap(std::uint32_t flags) const {
  const bool is_read_only = sharing_.maps_are_read_only || (flags & map_flags::kReadOnlyProgram) != 0;
  return is_read_only ? SharedRights::kRead : SharedRights::kReadWrite;
}

namespace {

int Allocate(int fd, std::uint64_t offset, std::uint64_t size_bytes) {
  if (size_bytes == 0) return 0;
  return ::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(size_bytes)) == 0 ? 0 : errno;
}

// All of a file but the hole.
int AllocateAround(int fd, std::uint64_t size_bytes, std::uint64_t hole_offset, std::uint64_t hole_size) {
  if (hole_size == 0) return Allocate(fd, 0, size_bytes);
  const int error = Allocate(fd, 0, hole_offset);
  return error != 0 ? error : Allocate(fd, hole_offset + hole_size, size_bytes - hole_offset - hole_size);
}

}  // namespace

Result<UniqueFd> Session::MakeFile(std::uint64_t size_bytes, const std::string& what, SharedRights rights) const {
  return MakeFile(size_bytes, what, rights, {});
}

Result<UniqueFd> Session::MakeFile(std::uint64_t size_bytes, const std::string& what, SharedRights rights,
                                   Range hole) const {
  UniqueFd fd(::openat(folder_fd_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return Error::FromErrno(errno, fmt::format("{}: making a file in {}", what, folder_));
  STRATA_TRY(Share(fd.get(), sharing_, rights, what));
  struct statvfs space {};
  const bool is_known = ::fstatvfs(fd.get(), &space) == 0 && space.f_blocks != 0;
  const std::uint64_t free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  // Asked before: allocating what does not fit would push out other memory until it fails.
  const std::uint64_t needed_bytes = size_bytes - hole.size_bytes;
  int error = is_known && needed_bytes > free_bytes ? ENOSPC : 0;
  if (error == 0) error = AllocateAround(fd.get(), size_bytes, hole.offset, hole.size_bytes);
  if (error != 0)
    return Error::FromErrno(error,
                            fmt::format("{}: {} bytes in {} ({} are free)", what, needed_bytes, folder_, free_bytes));
  if (::flock(fd.get(), LOCK_SH | LOCK_NB) != 0)
    return Error::FromErrno(errno, fmt::format("{}: locking its file", what));
  return fd;
}

Result<ObjectFile> Session::Publish(UniqueFd fd, std::string name, const std::string& what) const {
  if (LinkFile(fd.get(), folder_fd_.get(), name.c_str()) != 0) {
    return Error::FromErrno(errno, fmt::format("{}: publishing it as {}/{}", what, folder_, name));
  }
  return ObjectFile{std::move(fd), std::move(name)};
}

Result<ObjectFile> Session::PublishAndWake(UniqueFd fd, std::string name, const std::string& what) {
  runtime::BeginPublish(*process_);
  auto result = Publish(std::move(fd), std::move(name), what);
  runtime::EndPublish(*process_);
  return result;
}

Result<ObjectFile> Session::OpenHeld(const std::string& name, const std::string& what, int access) const {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    UniqueFd fd(::openat(folder_fd_.get(), name.c_str(), access | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd && errno == EACCES && access == O_RDWR) {  // shared with us read-only
      access = O_RDONLY;
      continue;
    }
    if (!fd) return Error::FromErrno(errno, what);
    if (::flock(fd.get(), LOCK_SH | LOCK_NB) == 0) {
      if (IsUnlinked(fd.get())) return Error::FromErrno(ENOENT, what);
      return ObjectFile{std::move(fd), name};
    }
    ::usleep(1000);  // somebody looks whether it is held, or removes it: the next look tells
  }
  return Error(ErrorCode::kBusy, what + ": is locked by another process", EBUSY);
}

bool Session::Close(ObjectFile object) {
  object.fd.Reset();
  if (const auto id = ObjectOfFile(object.name)) return RemoveIfUnused(*id);
  const UniqueFd locked = LockDead(folder_fd_.get(), object.name);  // a function's, which nothing refers to
  return locked && ::unlinkat(folder_fd_.get(), object.name.c_str(), 0) == 0;
}

bool Session::RemoveIfUnused(ObjectId object) {
  const std::string name = FileNameOf(object);
  References references;
  {
    const UniqueFd locked = LockDead(folder_fd_.get(), name);
    if (!locked) return false;
    // While the lock is ours nobody can make a reference to it.
    const auto referenced = index_.IsReferenced(folder_fd_.get(), object);
    if (referenced == ReferenceIndex::Answer::kYes) return false;
    if (referenced == ReferenceIndex::Answer::kUnknown) object = {};
    if (object.id != 0) references = ReferencesOf(folder_fd_.get(), object);
    if (object.id != 0 && ::unlinkat(folder_fd_.get(), name.c_str(), 0) != 0) return false;
  }
  if (object.id == 0 || references.holds) {  // what maps hold only the collector follows
    CollectIn(folder_fd_.get(), folder_, Sweep::kRemove, nullptr);
    return object.id != 0;
  }
  for (const ObjectId other : references.fixed) RemoveIfUnused(other);
  return true;
}

void Session::RemoveAndWake(ObjectFile object) {
  runtime::BeginPublish(*process_);
  ::unlinkat(folder_fd_.get(), object.name.c_str(), 0);
  object.fd.Reset();
  runtime::EndPublish(*process_);
}

void Session::CollectGarbage() const { CollectIn(folder_fd_.get(), folder_, Sweep::kRemove, nullptr); }

std::set<ObjectId> Session::Garbage() const { return GarbageIn(folder_fd_.get(), folder_); }

Result<runtime::MapHeader> Session::ReadMapHeader(const std::string& name) const {
  const UniqueFd fd(::openat(folder_fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return Error::FromErrno(errno, name);
  runtime::MapHeader header{};
  const off_t offset = status.st_size - static_cast<off_t>(runtime::kPageSize);
  if (offset < 0 || ::pread(fd.get(), &header, sizeof(header), offset) != static_cast<ssize_t>(sizeof(header)) ||
      header.magic != static_cast<std::uint32_t>(runtime::FileMagic::kMap) ||
      header.version != runtime::kLayoutVersion) {
    return Error(ErrorCode::kMalformed, name + ": is no map");
  }
  return header;
}

Result<void> CollectAllSessions(const std::string& runtime_folder) {
  const UniqueFd folder = STRATA_TRY(OpenRuntimeFolder(runtime_folder));
  for (const std::string& name : NamesIn(folder.get(), "")) {
    if (IsSessionName(name)) CollectSession(folder.get(), runtime_folder, name, Sweep::kRemove);
  }
  return {};
}

Result<std::vector<SessionReport>> CollectAndReport(const std::string& runtime_folder, const std::string& session,
                                                    Sweep sweep) {
  std::vector<SessionReport> reports;
  if (!session.empty() && !IsSessionName(session)) return BadName(session);
  const bool exists = ::access(runtime_folder.c_str(), F_OK) == 0;
  const UniqueFd folder = exists ? STRATA_TRY(OpenRuntimeFolder(runtime_folder)) : UniqueFd();
  std::vector<std::string> names = exists ? NamesIn(folder.get(), "") : std::vector<std::string>();
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (!IsSessionName(name) || (!session.empty() && name != session)) continue;
    reports.push_back(CollectSession(folder.get(), runtime_folder, name, sweep));
  }
  if (reports.empty() && !session.empty()) {
    return Error(ErrorCode::kNotFound, fmt::format("session {}: there is none in {}", session, runtime_folder), ENOENT);
  }
  return reports;
}

}  // namespace strata::userspace
