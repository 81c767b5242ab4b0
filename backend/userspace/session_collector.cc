// A whole session's turn to be collected: what is left alone, and what goes with the last object.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector.h"
#include "folder.h"

namespace strata::userspace {
namespace {

// What the root's first words say.
enum class RootKind { kNone, kOurs, kOtherVersion, kForeign };
RootKind ReadRoot(int fd, std::uint32_t* version) {
  std::uint32_t words[2] = {};
  if (::pread(fd, words, sizeof(words), 0) != static_cast<ssize_t>(sizeof(words))) return RootKind::kForeign;
  if (words[0] != static_cast<std::uint32_t>(runtime::FileMagic::kRoot)) return RootKind::kForeign;
  *version = words[1];
  return *version == runtime::kLayoutVersion ? RootKind::kOurs : RootKind::kOtherVersion;
}

// Root's sessions that are shared with us are root's to collect.
bool IsOwn(int folder_fd) {
  struct stat status {};
  return ::fstat(folder_fd, &status) == 0 && (status.st_uid == ::geteuid() || ::geteuid() == 0);
}

bool HoldsObjects(int folder_fd) {
  return !ObjectsIn(folder_fd).empty() || !FilesBelow(folder_fd, runtime::kPinnedFolder).empty();
}

void RemoveEmptyFolders(int at, const std::string& name) {
  const UniqueFd folder(::openat(at, name.c_str(), kFolderFlags));
  if (!folder) return;
  for (const std::string& entry : NamesIn(folder.get(), "")) RemoveEmptyFolders(folder.get(), entry);
  ::unlinkat(at, name.c_str(), AT_REMOVEDIR);
}

// What a session without loaders and objects may still hold.
void RemoveRemains(int folder_fd) {
  for (const char* prefix : {runtime::kInstancePrefix, ".instance-", "agent-", ".agent-", runtime::kFunctionPrefix}) {
    for (const std::string& name : NamesIn(folder_fd, prefix)) ::unlinkat(folder_fd, name.c_str(), 0);
  }
  if (const UniqueFd instances{::openat(folder_fd, runtime::kInstanceFolder, kFolderFlags)}) {
    for (const std::string& name : NamesIn(instances.get(), "")) ::unlinkat(instances.get(), name.c_str(), 0);
  }
  RemoveEmptyFolders(folder_fd, runtime::kInstanceFolder);
  RemoveEmptyFolders(folder_fd, runtime::kPinnedFolder);
  ::unlinkat(folder_fd, runtime::kSharingFile, 0);
  ::unlinkat(folder_fd, runtime::kLogFile, 0);
  ::unlinkat(folder_fd, runtime::kRootFile, 0);
}

}  // namespace

SessionReport CollectSession(int runtime_fd, const std::string& runtime_folder, const std::string& name, Sweep sweep) {
  SessionReport report;
  report.session = name;
  const UniqueFd folder(::openat(runtime_fd, name.c_str(), kFolderFlags));
  if (!folder) return report.untouched = "is no folder", report;
  if (const auto checked = CheckFolder(folder.get(), name, 0); !checked)
    return report.untouched = checked.error().message(), report;
  if (!IsOwn(folder.get())) return report.untouched = "belongs to another user", report;
  const UniqueFd root(::openat(folder.get(), runtime::kRootFile, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (root) {
    std::uint32_t version = 0;
    const RootKind kind = ReadRoot(root.get(), &version);
    if (kind == RootKind::kForeign) return report.untouched = "is no session", report;
    if (kind == RootKind::kOtherVersion)
      return report.untouched = fmt::format("has layout version {}, this is {}", version, runtime::kLayoutVersion),
             report;
    CollectIn(folder.get(), runtime_folder + "/" + name, sweep, &report.objects);
    const bool is_open = ::flock(root.get(), LOCK_EX | LOCK_NB) != 0;
    if (is_open) report.kept = "a loader has it open";
    if (!is_open && HoldsObjects(folder.get())) report.kept = "objects live in it";
    if (sweep == Sweep::kDryRun || is_open || IsUnlinked(root.get()) || HoldsObjects(folder.get())) return report;
    RemoveRemains(folder.get());
  } else if (sweep == Sweep::kDryRun) {
    return report;
  }
  report.is_removed = ::unlinkat(runtime_fd, name.c_str(), AT_REMOVEDIR) == 0;  // one that is just being filled stays
  if (!root && !report.is_removed) report.untouched = "is no session";
  return report;
}

}  // namespace strata::userspace
