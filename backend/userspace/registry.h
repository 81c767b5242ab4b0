// The registry's writer: a session is a folder, an object is a file in it, alive while somebody holds its lock.
// docs/registry.md describes the files and the protocol.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector.h"
#include "references.h"
#include "sharing.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/base/result.h"
#include "strata/base/unique_fd.h"

namespace strata::userspace {

// "/dev/shm/strata-<uid>"
std::string DefaultRuntimeFolder();

// An object's file that is open, locked and linked under its name. Closing it lets the object die, unless a copy of the
// descriptor lives elsewhere.
struct ObjectFile {
  UniqueFd fd;
  std::string name;
};

// Open session. Thread-safe. The mutex guards what loaders share of process(): a program's instance, host functions.
class Session {
 public:
  // Makes folder and root when they do not exist, and collects what is dead in all sessions of the runtime folder.
  static Result<std::unique_ptr<Session>> Open(const std::string& runtime_folder, const std::string& name,
                                               std::uint32_t possible_cpus, const SessionSharing& sharing);
  // Collects, and removes the folder when nothing lives in it.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::string& folder() const { return folder_; }
  int folder_fd() const { return folder_fd_.get(); }
  runtime::Process& process() const { return *process_; }
  std::mutex& mutex() { return mutex_; }

  std::uint32_t NewId();

  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
  };
  // A file of zero bytes that has no name yet, with its whole size allocated, and locked. kNoSpace where that much is
  // not free. `what` begins errors: "map foo".
  // Those whom the session is shared with have `rights` to it.
  Result<UniqueFd> MakeFile(std::uint64_t size_bytes, const std::string& what,
                            SharedRights rights = SharedRights::kRead) const;
  // `hole` gets none until somebody allocates it.
  Result<UniqueFd> MakeFile(std::uint64_t size_bytes, const std::string& what, SharedRights rights, Range hole) const;
  // A map's, of its flags.
  SharedRights RightsToMap(std::uint32_t flags) const;
  // Gives it its name: from now on others see it, complete.
  Result<ObjectFile> Publish(UniqueFd fd, std::string name, const std::string& what) const;
  // The same, telling the agents.
  Result<ObjectFile> PublishAndWake(UniqueFd fd, std::string name, const std::string& what);
  // An object's file by name, with a lock of its own: it lives as long as the result. `access` is O_RDWR or O_RDONLY.
  // kNotFound when it is gone, kBusy when it cannot be locked for long.
  Result<ObjectFile> OpenHeld(const std::string& name, const std::string& what, int access) const;
  // Closes the object, and removes its file if nobody else holds it, it is not pinned, and no object refers to it. True
  // when it was removed.
  bool Close(ObjectFile object);
  bool RemoveIfUnused(ObjectId object);
  // Removes the file at once, whoever holds it, and tells the agents.
  void RemoveAndWake(ObjectFile object);

  void CollectGarbage() const;
  // Objects that the next collection would remove.
  std::set<ObjectId> Garbage() const;

  // Of a map; it lies at the end of the file.
  Result<runtime::MapHeader> ReadMapHeader(const std::string& name) const;

 private:
  Session() = default;
  Result<void> OpenFolder(const std::string& runtime_folder, const std::string& name);
  Result<bool> TryOpenRoot(std::uint32_t possible_cpus);
  Result<void> AgreeOnSharing(const SessionSharing& wanted);
  Result<void> OpenProcess();
  Result<void> MakeLog();

  std::string folder_;
  std::string runtime_folder_;
  std::string name_;
  SessionSharing sharing_;
  UniqueFd runtime_fd_;
  UniqueFd folder_fd_;
  UniqueFd root_fd_;  // holds the session's lock
  runtime::Process* process_ = nullptr;
  std::mutex mutex_;
  ReferenceIndex index_;
};

// Over all sessions of a runtime folder.
Result<void> CollectAllSessions(const std::string& runtime_folder);
// The same, or of one session, saying what became of each object.
Result<std::vector<SessionReport>> CollectAndReport(const std::string& runtime_folder, const std::string& session,
                                                    Sweep sweep);

}  // namespace strata::userspace
