// Waits for several descriptors, a deadline and the signals that end a run.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "strata/base/result.h"
#include "strata/base/unique_fd.h"

namespace strata::tools {

enum class LoopEnd { kStopped, kDeadline, kInterrupted };

// SIGINT, SIGTERM and SIGHUP are blocked from Make on for the whole process and end Run; children must unblock them.
class EventLoop {
 public:
  static Result<EventLoop> Make();

  // `on_ready` is called whenever the descriptor is readable; returning false stops the loop.
  void Watch(int descriptor, std::function<bool()> on_ready);

  // `deadline` from now; none waits without end.
  Result<LoopEnd> Run(std::optional<std::chrono::nanoseconds> deadline);

 private:
  EventLoop() = default;
  struct Watched {
    int descriptor;
    std::function<bool()> on_ready;
  };
  UniqueFd signals_;
  std::vector<Watched> watched_;
};

}  // namespace strata::tools
