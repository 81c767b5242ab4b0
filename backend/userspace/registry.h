// The registry's writer: a session is a folder, an object is a file in it, alive while somebody holds its lock.
// docs/registry.md describes the files and the protocol.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

// Open session. Thread-safe, but for process(): opening and releasing maps and programs needs the lock.
class Session {
 public:
  // Makes folder and root when they do not exist, and collects what is dead in all sessions of the runtime folder.
  static Result<std::unique_ptr<Session>> Open(const std::string& runtime_folder, const std::string& name,
                                               std::uint32_t possible_cpus);
  // Collects, and removes the folder when nothing lives in it.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::string& folder() const { return folder_; }
  int folder_fd() const { return folder_fd_.get(); }
  runtime::Process& process() { return *process_; }
  std::mutex& mutex() { return mutex_; }

  std::uint32_t NewId();

  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
  };
  // A file of zero bytes that has no name yet, with its whole size allocated, and locked. kNoSpace where that much is
  // not free. `what` begins errors: "map foo".
  Result<UniqueFd> MakeFile(std::uint64_t size_bytes, const std::string& what) const;
  // `hole` gets none until somebody allocates it.
  Result<UniqueFd> MakeFile(std::uint64_t size_bytes, const std::string& what, Range hole) const;
  // Gives it its name: from now on others see it, complete.
  Result<ObjectFile> Publish(UniqueFd fd, std::string name, const std::string& what) const;
  // The same, telling the agents.
  Result<ObjectFile> PublishAndWake(UniqueFd fd, std::string name, const std::string& what);
  // Closes the object and removes its file if nobody else holds it.
  void Close(ObjectFile object) const;
  // Removes the file at once, whoever holds it, and tells the agents.
  void RemoveAndWake(ObjectFile object);

  void CollectGarbage() const;

  // The names of the files that begin with `prefix`.
  Result<std::vector<std::string>> Names(std::string_view prefix) const;
  // The first bytes of a file, as many as there are up to the buffer's size. kNotFound when the file is gone or, for an
  // object, nobody holds it any more.
  enum class Liveness { kAny, kHeld };
  Result<std::size_t> ReadStart(const std::string& name, Liveness liveness, std::span<std::byte> buffer) const;
  // Of a live map; it lies at the end of the file.
  Result<runtime::MapHeader> ReadMapHeader(const std::string& name) const;

 private:
  Session() = default;
  Result<void> OpenFolder(const std::string& runtime_folder, const std::string& name);
  Result<bool> TryOpenRoot(std::uint32_t possible_cpus);
  Result<void> OpenProcess();
  Result<void> MakeLog();

  std::string folder_;
  std::string name_;
  UniqueFd runtime_fd_;
  UniqueFd folder_fd_;
  UniqueFd root_fd_;  // holds the session's lock
  runtime::Process* process_ = nullptr;
  std::mutex mutex_;
};

// Over all sessions of a runtime folder.
Result<void> CollectAllSessions(const std::string& runtime_folder);

}  // namespace strata::userspace
