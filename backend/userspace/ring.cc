// The consumer's side of ring buffers: positions and data are the view's, readiness is an eventfd.
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>

#include "objects.h"
#include "owned_thread.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::userspace {
namespace {

namespace sys = runtime::sys;

// How often a record that is still being written is looked at: its producer may have died, and then nobody wakes us.
// The same where a producer may not have seen that we wait.
constexpr sys::Timespec kLookInterval{0, 10'000'000};

bool IsReady(runtime::MapView& ring) { return runtime::HasData(ring) && !runtime::IsNextRecordBusy(ring); }

// Turns the futex of a ring into a descriptor: one thread, started when the descriptor is first asked for. The
// descriptor is readable from when data is there until Rearm() finds none.
class Waiter {
 public:
  explicit Waiter(runtime::MapView& ring) : ring_(ring), event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Waiter() {
    thread_.Stop([this] {
      {
        const std::lock_guard lock(mutex_);
        stopping_.store(true);
      }
      changed_.notify_all();
      // The word must differ from what the thread saw, or it would go to sleep after this wake.
      __atomic_fetch_add(&ring_.header->wake_word, 1U, __ATOMIC_SEQ_CST);
      sys::FutexWake(&ring_.header->wake_word, 0x7fffffff);
    });
  }

  int Descriptor() {
    const std::lock_guard lock(mutex_);
    if (!thread_.is_started() && event_fd_) thread_.Start([this] { Run(); });
    return event_fd_.get();
  }

  void Rearm() {
    const std::lock_guard lock(mutex_);
    if (!signalled_ || IsReady(ring_)) return;
    std::uint64_t count = 0;
    while (::read(event_fd_.get(), &count, sizeof(count)) < 0 && errno == EINTR) {
    }
    signalled_ = false;
    changed_.notify_all();
  }

 private:
  void Run() {
    while (!stopping_.load()) {
      const runtime::AnnouncedWait wait = runtime::AnnounceWait(ring_);
      if (stopping_.load()) return;
      if (IsReady(ring_)) {
        SignalAndWaitForRearm();
      } else {
        // Announced before this last look, so a record that came later changes the word.
        const bool looks_again = !wait.is_certain || runtime::HasData(ring_);
        sys::FutexWait(&ring_.header->wake_word, wait.seen, looks_again ? &kLookInterval : nullptr);
      }
    }
  }

  void SignalAndWaitForRearm() {
    std::unique_lock lock(mutex_);
    const std::uint64_t one = 1;
    while (::write(event_fd_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    signalled_ = true;
    changed_.wait(lock, [this] { return !signalled_ || stopping_.load(); });
  }

  runtime::MapView& ring_;
  UniqueFd event_fd_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool signalled_ = false;  // guarded by mutex_
  std::atomic<bool> stopping_{false};
  OwnedThread thread_;
};

class Ring : public RingMemory {
 public:
  Ring(std::shared_ptr<void> keep_alive, runtime::MapView& ring)
      : keep_alive_(std::move(keep_alive)), ring_(ring), waiter_(ring) {}
  std::uint64_t* consumer_position() override { return runtime::ConsumerPosition(ring_); }
  const std::uint64_t* producer_position() override { return runtime::ProducerPosition(ring_); }
  const std::byte* data() override { return runtime::RingData(ring_); }
  std::size_t size_bytes() const override { return ring_.max_entries; }
  int poll_descriptor() const override { return waiter_.Descriptor(); }
  void Rearm() override { waiter_.Rearm(); }
  std::uint64_t dropped() const override { return __atomic_load_n(&ring_.header->dropped, __ATOMIC_RELAXED); }

 private:
  std::shared_ptr<void> keep_alive_;
  runtime::MapView& ring_;
  mutable Waiter waiter_;
};

}  // namespace

std::unique_ptr<RingMemory> MakeRingMemory(std::shared_ptr<void> keep_alive, runtime::MapView& ring) {
  return std::make_unique<Ring>(std::move(keep_alive), ring);
}

Result<std::unique_ptr<RingMemory>> UserspaceMap::Ring() {
  if ((view_->ops->traits & runtime::map_traits::kRing) == 0) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: is no ring buffer", info_.name));
  }
  if (access_ != MapAccess::kReadWrite)
    return ClosedTo("reading records", "a reader says in the map how far it is, and this handle may not write");
  return MakeRingMemory(shared_from_this(), *view_);
}

}  // namespace strata::userspace
