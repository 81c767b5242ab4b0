#include "strata/object/event_poller.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <cerrno>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "waker.h"

namespace strata {

struct EventPoller::State {
  // Takes one turn; is told whether the descriptor was found readable.
  using Turn = std::function<Result<std::uint64_t>(bool is_readable)>;

  EventPollerOptions options;
  Waker waker;
  UniqueFd epoll;
  std::map<int, Turn> turns = {};  // by descriptor

  Result<void> Add(int descriptor, Turn turn) {
    if (turns.contains(descriptor)) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("descriptor {}: is watched already", descriptor));
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) {
      return Error::FromErrno(errno, fmt::format("descriptor {}: epoll", descriptor));
    }
    turns.emplace(descriptor, std::move(turn));
    return {};
  }

  Result<std::set<int>> FindReadable() const {
    std::vector<epoll_event> events(turns.size() + 1);
    const int count = ::epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), 0);
    if (count < 0 && errno != EINTR) return Error::FromErrno(errno, "epoll_wait");
    std::set<int> readable;
    for (int i = 0; i < count; ++i) readable.insert(events[static_cast<std::size_t>(i)].data.fd);
    return readable;
  }
};

EventPoller::EventPoller(std::unique_ptr<State> state) : state_(std::move(state)) {}
EventPoller::EventPoller(EventPoller&&) noexcept = default;
EventPoller& EventPoller::operator=(EventPoller&&) noexcept = default;
EventPoller::~EventPoller() = default;

Result<EventPoller> EventPoller::Make(const EventPollerOptions& options) {
  auto waker = STRATA_TRY(Waker::Make());
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return Error::FromErrno(errno, "epoll_create1");
  return EventPoller(std::unique_ptr<State>(new State{options, std::move(waker), std::move(epoll)}));
}

// Readers are asked whether their descriptor tells of something or not: that costs a load, and a perf event array tells
// only once.
Result<void> EventPoller::Add(RingReader& reader, RingReader::OnRecord on_record) {
  return state_->Add(reader.poll_descriptor(),
                     [&reader, on_record = std::move(on_record), limit = state_->options.records_per_turn](bool) {
                       return reader.Consume(on_record, limit);
                     });
}

Result<void> EventPoller::Add(PerfReader& reader, PerfReader::OnSample on_sample) {
  return state_->Add(reader.poll_descriptor(),
                     [&reader, on_sample = std::move(on_sample), limit = state_->options.records_per_turn](bool) {
                       return reader.Consume(on_sample, limit);
                     });
}

Result<void> EventPoller::Add(int descriptor, OnReady on_ready) {
  return state_->Add(descriptor, [on_ready = std::move(on_ready)](bool is_readable) -> Result<std::uint64_t> {
    if (!is_readable) return 0;
    STRATA_TRY(on_ready());
    return 1;
  });
}

Result<void> EventPoller::Remove(int descriptor) {
  if (state_->turns.erase(descriptor) == 0) {
    return Error(ErrorCode::kNotFound, fmt::format("descriptor {}: is not watched", descriptor));
  }
  ::epoll_ctl(state_->epoll.get(), EPOLL_CTL_DEL, descriptor, nullptr);  // fails where it was closed: then it is gone
  return {};
}

Result<std::uint64_t> EventPoller::Consume() {
  const std::set<int> readable = STRATA_TRY(state_->FindReadable());
  std::uint64_t count = 0;
  for (auto& [descriptor, turn] : state_->turns) count += STRATA_TRY(turn(readable.contains(descriptor)));
  return count;
}

Result<std::uint64_t> EventPoller::Poll(const Deadline& deadline) {
  std::uint64_t count = 0;
  const auto attempt = [&]() -> Result<bool> {
    count = STRATA_TRY(Consume());
    return count > 0;
  };
  STRATA_TRY(WaitFor(
      state_->waker, deadline, "event poller", [this] { return state_->epoll.get(); }, attempt));
  return count;
}

void EventPoller::Wake() const noexcept { state_->waker.Wake(); }
int EventPoller::poll_descriptor() const { return state_->epoll.get(); }

}  // namespace strata
