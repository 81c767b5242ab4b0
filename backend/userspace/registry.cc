#include "registry.h"

#include <dirent.h>
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

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr int kAttempts = 100;                 // a session may be removed while we open it
constexpr std::uint32_t kLogSize = 256 << 10;  // bytes of bpf_printk lines that wait for a reader

// Who may be in a folder is decided by its owner and mode, looked at on the open descriptor.
Result<void> CheckFolder(int fd, const std::string& path, mode_t forgiving) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Error::FromErrno(errno, path);
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return Error(ErrorCode::kPermissionDenied, fmt::format("{}: belongs to user {}", path, status.st_uid), EPERM);
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status.st_mode & forgiving) == 0) {
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("{}: can be written by others than its owner (chmod 700 {})", path, path), EPERM);
  }
  return {};
}

Result<UniqueFd> OpenCheckedFolder(int at, const std::string& name, const std::string& path, mode_t forgiving) {
  UniqueFd fd(::openat(at, name.c_str(), kFolderFlags));
  if (!fd && errno == ENOENT) {
    if (::mkdirat(at, name.c_str(), 0700) != 0 && errno != EEXIST) return Error::FromErrno(errno, path);
    fd = UniqueFd(::openat(at, name.c_str(), kFolderFlags));
  }
  if (!fd) return Error::FromErrno(errno, errno == ELOOP || errno == ENOTDIR ? path + ": is no folder" : path);
  STRATA_TRY(CheckFolder(fd.get(), path, forgiving));
  return fd;
}

bool IsNameValid(std::string_view name) {
  if (name.empty() || name.size() > 63 || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-'; });
}

using Folder = std::unique_ptr<DIR, int (*)(DIR*)>;

Folder ListFolder(int fd) {
  const int own = ::openat(fd, ".", kFolderFlags);
  DIR* folder = own < 0 ? nullptr : ::fdopendir(own);
  if (folder == nullptr && own >= 0) ::close(own);
  return {folder, ::closedir};
}

std::vector<std::string> NamesIn(int folder_fd, std::string_view prefix) {
  std::vector<std::string> names;
  const Folder folder = ListFolder(folder_fd);
  if (folder == nullptr) return names;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name.starts_with(prefix) && name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

bool IsUnlinked(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) != 0 || status.st_nlink == 0;
}

// The descriptor's own lock, exclusive; only when nobody holds the object. Empty where that is not so.
UniqueFd LockDead(int folder_fd, const std::string& name) {
  UniqueFd fd(::openat(folder_fd, name.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 || IsUnlinked(fd.get())) return {};
  return fd;
}

void CollectObject(int folder_fd, const std::string& name) {
  const UniqueFd locked = LockDead(folder_fd, name);
  if (locked) ::unlinkat(folder_fd, name.c_str(), 0);
}

constexpr std::array<const char*, 4> kObjectPrefixes = {runtime::kLinkPrefix, runtime::kProgramPrefix,
                                                        runtime::kMapPrefix, runtime::kFunctionPrefix};

// Instance records of links that are gone. "instance-<link>-<pid>"
void CollectInstances(int folder_fd) {
  for (const std::string& name : NamesIn(folder_fd, runtime::kInstancePrefix)) {
    const std::string link = name.substr(std::strlen(runtime::kInstancePrefix));
    const std::string link_file = runtime::kLinkPrefix + link.substr(0, link.find('-'));
    if (::faccessat(folder_fd, link_file.c_str(), F_OK, 0) != 0 && errno == ENOENT)
      ::unlinkat(folder_fd, name.c_str(), 0);
  }
}

void CollectIn(int folder_fd) {
  for (const char* prefix : kObjectPrefixes) {
    for (const std::string& name : NamesIn(folder_fd, prefix)) CollectObject(folder_fd, name);
  }
  CollectInstances(folder_fd);
}

bool HoldsObjects(int folder_fd) {
  return std::any_of(kObjectPrefixes.begin(), kObjectPrefixes.end(),
                     [&](const char* prefix) { return !NamesIn(folder_fd, prefix).empty(); });
}

// The root of a session, by its first word: another folder's file of that name is not ours to lock or remove.
bool IsRoot(int fd) {
  std::uint32_t magic = 0;
  return ::pread(fd, &magic, sizeof(magic), 0) == static_cast<ssize_t>(sizeof(magic)) &&
         magic == static_cast<std::uint32_t>(runtime::FileMagic::kRoot);
}

// What a session without loaders and objects may still hold.
void RemoveRemains(int folder_fd) {
  for (const char* prefix : {runtime::kInstancePrefix, ".instance-", "agent-", ".agent-"}) {
    for (const std::string& name : NamesIn(folder_fd, prefix)) ::unlinkat(folder_fd, name.c_str(), 0);
  }
  ::unlinkat(folder_fd, runtime::kLogFile, 0);
  ::unlinkat(folder_fd, runtime::kRootFile, 0);
}

// Collects in one folder, and removes it when no loader has it open and nothing lives in it. The root's lock keeps
// openers away: who gets it later sees that it is unlinked. Folders that no session of ours can be are left alone.
void CollectSession(int runtime_fd, const std::string& name) {
  const UniqueFd folder(::openat(runtime_fd, name.c_str(), kFolderFlags));
  if (!folder || !CheckFolder(folder.get(), name, 0)) return;
  const UniqueFd root(::openat(folder.get(), runtime::kRootFile, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (root) {
    if (!IsRoot(root.get())) return;
    CollectIn(folder.get());
    if (::flock(root.get(), LOCK_EX | LOCK_NB) != 0 || IsUnlinked(root.get()) || HoldsObjects(folder.get())) return;
    RemoveRemains(folder.get());
  }
  ::unlinkat(runtime_fd, name.c_str(), AT_REMOVEDIR);  // one that somebody is just filling is not empty
}

Result<UniqueFd> OpenRuntimeFolder(const std::string& path) {
  return OpenCheckedFolder(AT_FDCWD, path, path, S_ISVTX);  // with the sticky bit nobody can replace what is ours
}

// A name for a file that has none.
int LinkFile(int fd, int folder_fd, const char* name) {
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  if (::linkat(AT_FDCWD, path.c_str(), folder_fd, name, AT_SYMLINK_FOLLOW) == 0) return 0;
  if (errno != ENOENT && errno != ENOTDIR) return -1;
  return ::linkat(fd, "", folder_fd, name, AT_EMPTY_PATH);  // without /proc; needs Linux 6.10 or CAP_DAC_READ_SEARCH
}

}  // namespace

std::string DefaultRuntimeFolder() { return fmt::format("/dev/shm/strata-{}", ::geteuid()); }

Result<std::unique_ptr<Session>> Session::Open(const std::string& runtime_folder, const std::string& name,
                                               std::uint32_t possible_cpus) {
  if (!IsNameValid(name)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("session \"{}\": a name has letters, digits, '.', '_' and '-', at most 63", name));
  }
  const std::string runtime_path = runtime_folder.empty() ? DefaultRuntimeFolder() : runtime_folder;
  STRATA_TRY(CollectAllSessions(runtime_path));
  auto session = std::unique_ptr<Session>(new Session);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto opened = session->OpenFolder(runtime_path, name);
    if (!opened && opened.error().code() == ErrorCode::kNotFound && attempt + 1 < kAttempts) continue;  // just removed
    if (!opened) return opened.error();
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
  CollectSession(runtime_fd_.get(), name_);
  // A folder that the user chose stays; the one that nobody asked for goes with its last session.
  ::rmdir(DefaultRuntimeFolder().c_str());
}

Result<void> Session::OpenFolder(const std::string& runtime_folder, const std::string& name) {
  runtime_fd_ = STRATA_TRY(OpenRuntimeFolder(runtime_folder));
  // Agents are given the path and may have another working folder.
  std::array<char, 4096> resolved{};
  if (::realpath(runtime_folder.c_str(), resolved.data()) == nullptr) return Error::FromErrno(errno, runtime_folder);
  name_ = name;
  folder_ = fmt::format("{}/{}", resolved.data(), name);
  if (folder_.size() >= sizeof(runtime::Process::session_path)) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("session {}: the path is too long", folder_));
  }
  folder_fd_ = STRATA_TRY(OpenCheckedFolder(runtime_fd_.get(), name, folder_, 0));
  return {};
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
    root_fd_ = std::move(fd);
    return true;
  }
  if (errno != ENOENT) return Error::FromErrno(errno, folder_ + "/root");
  const std::uint64_t size = runtime::kPageSize + possible_cpus * sizeof(runtime::SlotWord);
  auto made = MakeFile(size, "session " + folder_);
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
  UniqueFd fd = STRATA_TRY(MakeFile(geometry.file_size, "session " + folder_ + ": log"));
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

Result<UniqueFd> Session::MakeFile(std::uint64_t size_bytes, const std::string& what) const {
  UniqueFd fd(::openat(folder_fd_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return Error::FromErrno(errno, fmt::format("{}: making a file in {}", what, folder_));
  struct statvfs space {};
  const bool is_known = ::fstatvfs(fd.get(), &space) == 0 && space.f_blocks != 0;
  const std::uint64_t free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  // Asked before: allocating what does not fit would push out other memory until it fails.
  int error = is_known && size_bytes > free_bytes ? ENOSPC : 0;
  if (error == 0 && ::fallocate(fd.get(), 0, 0, static_cast<off_t>(size_bytes)) != 0) error = errno;
  if (error != 0)
    return Error::FromErrno(error,
                            fmt::format("{}: {} bytes in {} ({} are free)", what, size_bytes, folder_, free_bytes));
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

void Session::Close(ObjectFile object) const {
  object.fd.Reset();
  CollectObject(folder_fd_.get(), object.name);
}

void Session::RemoveAndWake(ObjectFile object) {
  runtime::BeginPublish(*process_);
  ::unlinkat(folder_fd_.get(), object.name.c_str(), 0);
  object.fd.Reset();
  runtime::EndPublish(*process_);
}

void Session::CollectGarbage() const { CollectIn(folder_fd_.get()); }

Result<std::vector<std::string>> Session::Names(std::string_view prefix) const {
  return NamesIn(folder_fd_.get(), prefix);
}

Result<std::size_t> Session::ReadStart(const std::string& name, Liveness liveness, std::span<std::byte> buffer) const {
  const UniqueFd fd(::openat(folder_fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return Error::FromErrno(errno, name);
  if (liveness == Liveness::kHeld && !runtime::IsAlive(fd.get()))
    return Error(ErrorCode::kNotFound, name + ": is dead");
  const ssize_t count = ::pread(fd.get(), buffer.data(), buffer.size(), 0);
  if (count < 0) return Error::FromErrno(errno, name);
  return static_cast<std::size_t>(count);
}

Result<runtime::MapHeader> Session::ReadMapHeader(const std::string& name) const {
  const UniqueFd fd(::openat(folder_fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return Error::FromErrno(errno, name);
  if (!runtime::IsAlive(fd.get())) return Error(ErrorCode::kNotFound, name + ": is dead");
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
    if (IsNameValid(name)) CollectSession(folder.get(), name);
  }
  return {};
}

}  // namespace strata::userspace
