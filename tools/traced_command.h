// A child process that waits to be released before it becomes the command.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "strata/base/result.h"
#include "strata/base/unique_fd.h"

namespace strata::tools {

// The destructor ends a child that is still there.
class TracedCommand {
 public:
  // Forks a child that will execute `arguments` with `environment` added to ours. kNotFound when there is no such
  // command.
  static Result<TracedCommand> Start(const std::vector<std::string>& arguments,
                                     const std::vector<std::pair<std::string, std::string>>& environment);
  TracedCommand(TracedCommand&& other) noexcept;
  TracedCommand& operator=(TracedCommand&&) = delete;
  ~TracedCommand();

  pid_t pid() const { return pid_; }
  // Readable when the child has ended.
  int descriptor() const { return pidfd_.get(); }

  // Lets the child execute the command; the error of execve(2) when it cannot.
  Result<void> Release();

  // Asks the child to end, insists after two seconds.
  void Terminate();

  // Waits for its end: its exit status, or 128 + signal as shells have it.
  int Wait();

 private:
  TracedCommand() = default;
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  UniqueFd gate_;    // a byte written here releases the child
  UniqueFd report_;  // errno of a failed execve; closed by a successful one
  std::string name_;
};

}  // namespace strata::tools
