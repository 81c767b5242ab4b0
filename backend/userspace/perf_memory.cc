// The reader's side of perf event arrays: a buffer per slot of the session, made when somebody reads it.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/eventfd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <limits>
#include <mutex>

#include "objects.h"
#include "owned_thread.h"
#include "strata/backend/userspace/runtime/perf_ring.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"
#include "strata/backend/userspace/runtime/slots.h"
#include "strata/backend/userspace/runtime/sys.h"
#include "strata/base/owner_process.h"

namespace strata::userspace {

namespace sys = runtime::sys;

// Turns the futex of a map into descriptors, one per buffer: one thread while there is any.
class PerfWatcher {
 public:
  struct Buffer {
    runtime::PerfSlot* slot;
    perf_event_mmap_page* control;
    UniqueFd event_fd;
    std::uint32_t seen = 0;     // of PerfSlot::ready, that the descriptor told of
    std::uint32_t rearmed = 0;  // the same when the reader last said that it found nothing more
  };

  explicit PerfWatcher(runtime::MapView& map) : map_(map) {}
  PerfWatcher(const PerfWatcher&) = delete;
  PerfWatcher& operator=(const PerfWatcher&) = delete;
  ~PerfWatcher() {
    thread_.Stop([this] {
      stopping_.store(true);
      // The word must differ from what the thread saw, or it would go to sleep after this wake.
      __atomic_fetch_add(&map_.header->wake_word, 1U, __ATOMIC_SEQ_CST);
      sys::FutexWake(&map_.header->wake_word, std::numeric_limits<std::int32_t>::max());
    });
  }

  void Add(Buffer* buffer) {
    const std::lock_guard lock(mutex_);
    buffers_.push_back(buffer);
    if (!thread_.is_started()) thread_.Start([this] { Run(); });
  }
  void Remove(Buffer* buffer) {
    const std::lock_guard lock(mutex_);
    std::erase(buffers_, buffer);
  }
  // A sample may have come after the reader looked and before this: it is told of once more.
  void Rearm(Buffer* buffer) {
    const std::lock_guard lock(mutex_);
    std::uint64_t count = 0;
    while (::read(buffer->event_fd.get(), &count, sizeof(count)) < 0 && errno == EINTR) {
    }
    const bool is_empty = __atomic_load_n(&buffer->control->data_head, __ATOMIC_ACQUIRE) ==
                          __atomic_load_n(&buffer->control->data_tail, __ATOMIC_ACQUIRE);
    if (!is_empty && buffer->slot->overwritable == 0 && buffer->seen != buffer->rearmed) Signal(*buffer);
    buffer->rearmed = buffer->seen;
  }

 private:
  static void Signal(const Buffer& buffer) {
    const std::uint64_t one = 1;
    while (::write(buffer.event_fd.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
    }
  }
  void Run() {
    while (!stopping_.load()) {
      const std::uint32_t word = runtime::AnnounceWait(map_).seen;
      SignalReady();
      if (!stopping_.load()) sys::FutexWait(&map_.header->wake_word, word, nullptr);
    }
  }
  void SignalReady() {
    const std::lock_guard lock(mutex_);
    for (Buffer* buffer : buffers_) {
      const std::uint32_t ready = __atomic_load_n(&buffer->slot->ready, __ATOMIC_ACQUIRE);
      if (ready == buffer->seen) continue;
      buffer->seen = ready;
      Signal(*buffer);
    }
  }

  runtime::MapView& map_;
  std::mutex mutex_;
  std::vector<Buffer*> buffers_;  // guarded by mutex_
  std::atomic<bool> stopping_{false};
  OwnedThread thread_;
};

namespace {

// Runs hold a slot for microseconds; one that was stopped is not waited for longer.
constexpr auto kSlotInterval = std::chrono::milliseconds(1);
constexpr int kSlotAttempts = 1000;

// Holds one slot of the session: no run writes its buffer meanwhile.
class SlotHold {
 public:
  SlotHold(runtime::Process& process, std::uint32_t slot) : process_(process), slot_(slot) {
    for (int i = 0; i < kSlotAttempts && !is_held_; ++i) {
      if (i > 0) std::this_thread::sleep_for(kSlotInterval);
      is_held_ = runtime::TakeSlot(process, slot);
    }
  }
  ~SlotHold() {
    if (is_held_) runtime::ReleaseSlot(process_, slot_);
  }
  SlotHold(const SlotHold&) = delete;
  SlotHold& operator=(const SlotHold&) = delete;
  bool is_held() const { return is_held_; }

 private:
  runtime::Process& process_;
  std::uint32_t slot_;
  bool is_held_ = false;
};

class PerfBufferMemory : public PerfMemory {
 public:
  PerfBufferMemory(std::shared_ptr<UserspaceMap> map, std::shared_ptr<PerfWatcher> watcher, std::uint32_t slot,
                   UniqueFd event_fd, std::size_t size)
      : map_(std::move(map)), watcher_(std::move(watcher)), slot_(slot), size_(size) {
    buffer_.slot = &runtime::PerfSlotAt(map_->view(), slot);
    buffer_.control = reinterpret_cast<perf_event_mmap_page*>(control_page());
    buffer_.event_fd = std::move(event_fd);
    buffer_.seen = buffer_.rearmed = __atomic_load_n(&buffer_.slot->ready, __ATOMIC_ACQUIRE);
    watcher_->Add(&buffer_);
  }
  ~PerfBufferMemory() override {
    watcher_->Remove(&buffer_);
    if (!owner_.IsCaller()) return;
    const SlotHold hold(*map_->view().process, slot_);
    __atomic_store_n(&buffer_.slot->reader, runtime::OwnerWord{0}, __ATOMIC_RELEASE);
    __atomic_store_n(&buffer_.slot->data_size, 0U, __ATOMIC_RELEASE);
  }
  std::byte* control_page() override { return runtime::PerfPagesAt(map_->view(), slot_); }
  const std::byte* data() override { return control_page() + runtime::kPageSize; }
  std::size_t size_bytes() const override { return size_; }
  int poll_descriptor() const override { return buffer_.event_fd.get(); }
  void Rearm() override { watcher_->Rearm(&buffer_); }
  Result<void> SetPaused(bool paused) override {
    __atomic_store_n(&buffer_.slot->paused, paused ? 1U : 0U, __ATOMIC_SEQ_CST);
    return {};
  }

 private:
  std::shared_ptr<UserspaceMap> map_;
  std::shared_ptr<PerfWatcher> watcher_;
  std::uint32_t slot_;
  std::size_t size_;
  PerfWatcher::Buffer buffer_;
  OwnerProcess owner_;
};

// The main thread's: the process is alive as long as that can be waited for.
runtime::OwnerWord ProcessOwner(runtime::Process& process) {
  constexpr std::uint64_t kThreadMask = (1U << 22) - 1;
  const runtime::OwnerWord thread = runtime::CurrentOwner(process);
  return (thread & ~kThreadMask) | runtime::CurrentIds(process).pid;
}

// Gives the window memory, so that no write of a program fails.
Result<void> AllocatePages(int fd, std::uint64_t offset, std::uint64_t size, const std::string& what) {
  struct statvfs space {};
  const bool is_known = ::fstatvfs(fd, &space) == 0 && space.f_blocks != 0;
  const std::uint64_t free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  int error = is_known && size > free_bytes ? ENOSPC : 0;
  if (error == 0 && ::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(size)) != 0) error = errno;
  if (error == 0) return {};
  return Error::FromErrno(error, fmt::format("{}: {} bytes ({} are free)", what, size, free_bytes));
}

void StartBuffer(runtime::MapView& map, std::uint32_t cpu, const PerfBufferOptions& options) {
  auto& control = *reinterpret_cast<perf_event_mmap_page*>(runtime::PerfPagesAt(map, cpu));
  control = {};
  control.data_offset = runtime::kPageSize;
  control.data_size = options.size_bytes;
  runtime::PerfSlot& slot = runtime::PerfSlotAt(map, cpu);
  const auto size = static_cast<std::uint32_t>(options.size_bytes);
  slot.overwritable = options.overwritable ? 1 : 0;
  slot.paused = 0;
  slot.wakeup_records = options.watermark_bytes > 0 ? 0 : options.wakeup_records;
  slot.watermark = options.watermark_bytes > 0 ? std::min(options.watermark_bytes, size) : size / 2;
  slot.records = 0;
  slot.head = slot.lost = slot.wakeup_head = 0;
  slot.reader = ProcessOwner(*map.process);
  __atomic_store_n(&slot.data_size, size, __ATOMIC_RELEASE);
}

bool IsRead(const runtime::MapView& map, std::uint32_t cpu) {
  const runtime::PerfSlot& slot = runtime::PerfSlotAt(map, cpu);
  return slot.data_size != 0 && slot.reader != 0 && !runtime::IsOwnerDead(*map.process, slot.reader);
}

}  // namespace

Result<std::vector<std::uint32_t>> UserspaceMap::PerfCpus() {
  if (info_.type != MapType::kPerfEventArray) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: is no perf event array", info_.name));
  }
  std::vector<std::uint32_t> cpus(runtime::PerfSlotCount(*view_));
  for (std::uint32_t cpu = 0; cpu < cpus.size(); ++cpu) cpus[cpu] = cpu;
  return cpus;
}

std::shared_ptr<PerfWatcher> UserspaceMap::Watcher() {
  const std::lock_guard lock(watcher_mutex_);
  auto watcher = watcher_.lock();
  if (watcher == nullptr) watcher_ = watcher = std::make_shared<PerfWatcher>(*view_);
  return watcher;
}

Result<std::unique_ptr<PerfMemory>> UserspaceMap::PerfBuffer(std::uint32_t cpu, const PerfBufferOptions& options) {
  const std::string what = fmt::format("map {}: perf buffer of CPU {}", info_.name, cpu);
  if (info_.type != MapType::kPerfEventArray || cpu >= info_.max_entries)
    return Error(ErrorCode::kInvalidArgument, fmt::format("{}: there is no such slot", what));
  if (!std::has_single_bit(options.size_bytes) || options.size_bytes % runtime::kPageSize != 0) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: size_bytes {} is not a power of two of pages", what, options.size_bytes));
  }
  if (options.size_bytes > runtime::kMaxPerfData) {
    return Error(ErrorCode::kNoSpace,
                 fmt::format("{}: size_bytes {} is more than {}", what, options.size_bytes, runtime::kMaxPerfData),
                 ENOMEM);
  }
  if (access_ != MapAccess::kReadWrite)
    return Error(ErrorCode::kPermissionDenied, fmt::format("{}: this handle may not read and write the map", what),
                 EPERM);
  if (cpu >= runtime::PerfSlotCount(*view_))
    return Error(ErrorCode::kNotFound, fmt::format("{}: is offline", what), ENODEV);
  UniqueFd event_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_fd) return Error::FromErrno(errno, what);
  const SlotHold hold(*view_->process, cpu);
  if (!hold.is_held()) return Error(ErrorCode::kBusy, fmt::format("{}: a program holds its slot", what), EBUSY);
  if (IsRead(*view_, cpu)) return Error(ErrorCode::kBusy, fmt::format("{}: is read already", what), EBUSY);
  const auto offset = static_cast<std::uint64_t>(runtime::PerfPagesAt(*view_, cpu) - view_->mapping);
  STRATA_TRY(AllocatePages(object_->file.fd.get(), offset, runtime::kPageSize + options.size_bytes, what));
  StartBuffer(*view_, cpu, options);
  return std::unique_ptr<PerfMemory>(
      std::make_unique<PerfBufferMemory>(shared_from_this(), Watcher(), cpu, std::move(event_fd), options.size_bytes));
}

}  // namespace strata::userspace
