// Waiting that another thread or a signal handler can end.
#pragma once

#include <algorithm>
#include <cstdint>

#include "strata/base/result.h"
#include "strata/base/unique_fd.h"
#include "strata/object/deadline.h"

namespace strata {

enum class WaitEnd : std::uint8_t {
  kReady,
  kDeadline,
  kWoken,
  kSignal,  // a signal was handled
};

// Move-only. Wake may be called from anywhere.
class Waker {
 public:
  static Result<Waker> Make();

  // Ends the Wait that is going on, or the next one. Async-signal-safe.
  void Wake() const noexcept;

  // Until `descriptor` (-1 for none) is readable. Where it is and Wake was called too, that is kWoken. Errors start
  // with `what`.
  Result<WaitEnd> Wait(int descriptor, const Deadline& deadline, const char* what) const;

 private:
  explicit Waker(UniqueFd event) : event_(std::move(event)) {}
  UniqueFd event_;  // an eventfd
};

// Calls `attempt`, which returns Result<bool>, until it has something (true), the deadline has come, or the wait is
// ended from outside; then once more. `descriptor` returns what tells that there is something, or -1 where nobody will:
// then, and where the descriptor has told in vain (of a record that is half-written), `attempt` is called every 100
// microseconds.
template <typename Descriptor, typename Attempt>
Result<void> WaitFor(const Waker& waker, const Deadline& deadline, const char* what, Descriptor descriptor,
                     Attempt attempt) {
  constexpr std::chrono::microseconds kLookInterval{100};
  bool told_in_vain = false;
  while (!STRATA_TRY(attempt())) {
    const int watched = told_in_vain ? -1 : descriptor();
    const Deadline until =
        watched >= 0 ? deadline : Deadline(std::min(deadline.at(), Deadline::Clock::now() + kLookInterval));
    const WaitEnd end = STRATA_TRY(waker.Wait(watched, until, what));
    told_in_vain = end == WaitEnd::kReady;
    if (end == WaitEnd::kReady || (end == WaitEnd::kDeadline && !deadline.has_passed())) continue;
    STRATA_TRY(attempt());
    return {};
  }
  return {};
}

}  // namespace strata
