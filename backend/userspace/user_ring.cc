// The writer's side of user ring buffers: positions and data are the view's, room is told by an eventfd.
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <limits>
#include <mutex>

#include "objects.h"
#include "owned_thread.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::userspace {
namespace {

namespace sys = runtime::sys;

// Turns the futex of a ring into edges of a descriptor: one thread, started when the descriptor is first asked for.
class DrainWatcher {
 public:
  explicit DrainWatcher(runtime::MapView& ring) : ring_(ring), event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~DrainWatcher() {
    thread_.Stop([this] {
      stopping_.store(true);
      // The word must differ from what the thread saw, or it would go to sleep after this wake.
      __atomic_fetch_add(&ring_.header->wake_word, 1U, __ATOMIC_SEQ_CST);
      sys::FutexWake(&ring_.header->wake_word, std::numeric_limits<std::int32_t>::max());
    });
  }
  DrainWatcher(const DrainWatcher&) = delete;
  DrainWatcher& operator=(const DrainWatcher&) = delete;

  int Descriptor() {
    const std::lock_guard lock(mutex_);
    if (!thread_.is_started() && event_fd_) thread_.Start([this] { Run(); });
    return event_fd_.get();
  }

 private:
  void Run() {
    std::uint64_t seen_position = ~std::uint64_t{0};
    while (!stopping_.load()) {
      const std::uint32_t seen = runtime::AnnounceWait(ring_).seen;
      const std::uint64_t position = __atomic_load_n(runtime::ConsumerPosition(ring_), __ATOMIC_ACQUIRE);
      if (position != seen_position) MakeEdge();
      seen_position = position;
      if (!stopping_.load()) sys::FutexWait(&ring_.header->wake_word, seen, nullptr);
    }
  }

  // Who waits for room is told when an eventfd is read; it is writable all the time.
  void MakeEdge() {
    std::uint64_t count = 1;
    while (::write(event_fd_.get(), &count, sizeof(count)) < 0 && errno == EINTR) {
    }
    while (::read(event_fd_.get(), &count, sizeof(count)) < 0 && errno == EINTR) {
    }
  }

  runtime::MapView& ring_;
  UniqueFd event_fd_;
  std::mutex mutex_;
  std::atomic<bool> stopping_{false};
  OwnedThread thread_;
};

class UserRing : public UserRingMemory {
 public:
  UserRing(std::shared_ptr<void> keep_alive, runtime::MapView& ring)
      : keep_alive_(std::move(keep_alive)), ring_(ring), watcher_(ring) {}
  const std::uint64_t* consumer_position() override { return runtime::ConsumerPosition(ring_); }
  std::uint64_t* producer_position() override { return runtime::ProducerPosition(ring_); }
  std::byte* data() override { return runtime::RingData(ring_); }
  std::size_t size_bytes() const override { return ring_.max_entries; }
  int poll_descriptor() const override { return watcher_.Descriptor(); }

 private:
  std::shared_ptr<void> keep_alive_;
  runtime::MapView& ring_;
  mutable DrainWatcher watcher_;
};

}  // namespace

Result<std::unique_ptr<UserRingMemory>> UserspaceMap::UserRing() {
  if ((view_->ops->traits & runtime::map_traits::kUserRing) == 0) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: is no user ring buffer", info_.name));
  }
  if (access_ != MapAccess::kReadWrite) return ClosedTo("writing", "this handle may not read and write it");
  return std::unique_ptr<UserRingMemory>(std::make_unique<userspace::UserRing>(shared_from_this(), *view_));
}

}  // namespace strata::userspace
