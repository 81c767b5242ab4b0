// Until when a wait may last.
#pragma once

#include <algorithm>
#include <chrono>

namespace strata {

// Made from a duration, counted from now on, or a point of the steady clock; durations that reach past the clock's end,
// such as hours::max(), mean for ever. A negative one does not wait.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  template <typename Rep, typename Period>
  Deadline(std::chrono::duration<Rep, Period> timeout) : at_(FromNow(timeout)) {}  // NOLINT: implicit on purpose
  Deadline(Clock::time_point at) : at_(at) {}                                      // NOLINT: implicit on purpose
  static Deadline Never() { return Clock::time_point::max(); }

  bool is_never() const { return at_ == Clock::time_point::max(); }
  Clock::time_point at() const { return at_; }
  bool has_passed() const { return !is_never() && Clock::now() >= at_; }

 private:
  template <typename Rep, typename Period>
  static Clock::time_point FromNow(std::chrono::duration<Rep, Period> timeout) {
    const Clock::time_point now = Clock::now();
    const std::chrono::duration<double> seconds = timeout;
    const std::chrono::duration<double> left = Clock::time_point::max() - now;
    if (seconds >= left) return Clock::time_point::max();
    return now + std::chrono::duration_cast<Clock::duration>(std::max(seconds, std::chrono::duration<double>(0)));
  }
  Clock::time_point at_;
};

}  // namespace strata
