#include "event_loop.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>

namespace strata::tools {

Result<EventLoop> EventLoop::Make() {
  sigset_t ending;
  ::sigemptyset(&ending);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&ending, number);
  if (::sigprocmask(SIG_BLOCK, &ending, nullptr) != 0) return Error::FromErrno(errno, "blocking signals");
  EventLoop loop;
  loop.signals_ = UniqueFd(::signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!loop.signals_) return Error::FromErrno(errno, "signalfd");
  return loop;
}

void EventLoop::Watch(int descriptor, std::function<bool()> on_ready) {
  watched_.push_back({descriptor, std::move(on_ready)});
}

Result<LoopEnd> EventLoop::Run(std::optional<std::chrono::nanoseconds> deadline) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = deadline ? Clock::now() + *deadline : Clock::time_point::max();
  std::vector<pollfd> descriptors;
  descriptors.push_back({signals_.get(), POLLIN, 0});
  for (const Watched& watched : watched_) descriptors.push_back({watched.descriptor, POLLIN, 0});
  for (;;) {
    int timeout_ms = -1;
    if (deadline) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
      if (left.count() <= 0) return LoopEnd::kDeadline;
      timeout_ms = static_cast<int>(std::min<std::int64_t>(left.count(), 1'000'000'000));
    }
    const int ready = ::poll(descriptors.data(), descriptors.size(), timeout_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return Error::FromErrno(errno, "poll");
    if (descriptors[0].revents != 0) return LoopEnd::kInterrupted;
    for (std::size_t i = 0; i < watched_.size(); ++i) {
      if (descriptors[i + 1].revents != 0 && !watched_[i].on_ready()) return LoopEnd::kStopped;
    }
  }
}

}  // namespace strata::tools
