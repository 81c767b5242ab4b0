#include "waker.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace strata {
namespace {

timespec Left(const Deadline& deadline) {
  const auto left = std::max(deadline.at() - Deadline::Clock::now(), Deadline::Clock::duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  return {static_cast<std::time_t>(seconds.count()),
          static_cast<long>(std::chrono::nanoseconds(left - seconds).count())};
}

}  // namespace

Result<Waker> Waker::Make() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return Error::FromErrno(errno, "eventfd");
  return Waker(std::move(event));
}

void Waker::Wake() const noexcept {
  const int kept_errno = errno;  // of who was interrupted
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof(one));  // a full counter wakes as well
  errno = kept_errno;
}

Result<WaitEnd> Waker::Wait(int descriptor, const Deadline& deadline, const char* what) const {
  pollfd descriptors[] = {{event_.get(), POLLIN, 0}, {descriptor, POLLIN, 0}};  // a negative one is passed over
  const timespec left = Left(deadline);
  const int ready = ::ppoll(descriptors, 2, deadline.is_never() ? nullptr : &left, nullptr);
  if (ready < 0) {
    if (errno == EINTR) return WaitEnd::kSignal;
    return Error::FromErrno(errno, std::string(what) + ": poll");
  }
  if (descriptors[0].revents != 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t taken = ::read(event_.get(), &count, sizeof(count));
    return WaitEnd::kWoken;
  }
  return ready > 0 ? WaitEnd::kReady : WaitEnd::kDeadline;
}

}  // namespace strata
