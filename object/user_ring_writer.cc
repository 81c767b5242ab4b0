#include "strata/object/user_ring_writer.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>

#include "waker.h"

namespace strata {
namespace {

// kernel/bpf/ringbuf.c: a record is an 8-byte header and its bytes, rounded up to 8.
constexpr std::uint32_t kBusyBit = 1U << 31;
constexpr std::uint32_t kDiscardBit = 1U << 30;
constexpr std::uint32_t kHeaderSize = 8;

std::uint64_t StepOver(std::uint32_t length) { return (std::uint64_t{length} + kHeaderSize + 7) / 8 * 8; }

}  // namespace

class UserRingProducer {
 public:
  UserRingProducer(Map map, std::unique_ptr<UserRingMemory> memory, Waker waker, UniqueFd epoll)
      : map_(std::move(map)), memory_(std::move(memory)), waker_(std::move(waker)), epoll_(std::move(epoll)) {}

  // Nothing while there is no room.
  std::optional<std::span<std::byte>> TryReserve(std::uint32_t size);
  Result<std::optional<std::span<std::byte>>> WaitAndReserve(std::uint32_t size, const Deadline& deadline);
  static void End(std::span<std::byte> record, std::uint32_t bits);
  Result<void> CheckSize(std::uint32_t size) const;

  const std::string& name() const { return map_.name(); }
  const Waker& waker() const { return waker_; }
  std::uint64_t size_bytes() const { return memory_->size_bytes(); }
  std::uint64_t unread_bytes() const;

 private:
  Map map_;
  std::unique_ptr<UserRingMemory> memory_;
  Waker waker_;
  UniqueFd epoll_;            // of the map, edge-triggered: readable once after a program made room
  std::mutex reserving_;      // who moves the producer's position
  std::timed_mutex waiting_;  // one waits for the edge at a time: it would wake only one
};

std::uint64_t UserRingProducer::unread_bytes() const {
  const std::uint64_t consumer =
      std::atomic_ref(*const_cast<std::uint64_t*>(memory_->consumer_position())).load(std::memory_order_acquire);
  return std::atomic_ref(*memory_->producer_position()).load(std::memory_order_acquire) - consumer;
}

std::optional<std::span<std::byte>> UserRingProducer::TryReserve(std::uint32_t size) {
  const std::lock_guard lock(reserving_);
  const std::uint64_t unread = unread_bytes();
  const std::uint64_t step = StepOver(size);
  if (unread > size_bytes() || step > size_bytes() - unread) return std::nullopt;
  std::atomic_ref position(*memory_->producer_position());
  const std::uint64_t start = position.load(std::memory_order_relaxed);
  std::byte* const header = memory_->data() + (start & (size_bytes() - 1));
  auto* const words = reinterpret_cast<std::uint32_t*>(header);
  std::atomic_ref(words[0]).store(size | kBusyBit, std::memory_order_relaxed);
  std::atomic_ref(words[1]).store(0, std::memory_order_relaxed);
  position.store(start + step, std::memory_order_release);  // the header before
  return std::span(header + kHeaderSize, size);
}

Result<std::optional<std::span<std::byte>>> UserRingProducer::WaitAndReserve(std::uint32_t size,
                                                                             const Deadline& deadline) {
  auto record = TryReserve(size);
  if (record) return record;
  std::unique_lock turn(waiting_, std::defer_lock);
  if (deadline.is_never()) {
    turn.lock();
  } else if (!turn.try_lock_until(deadline.at())) {
    return record;
  }
  while (!(record = TryReserve(size))) {
    const WaitEnd end = STRATA_TRY(waker_.Wait(epoll_.get(), deadline, "user ring buffer"));
    if (end != WaitEnd::kReady) return TryReserve(size);
    epoll_event event{};
    ::epoll_wait(epoll_.get(), &event, 1, 0);  // takes the edge, before the room is looked at
  }
  return record;
}

void UserRingProducer::End(std::span<std::byte> record, std::uint32_t bits) {
  auto* const length = reinterpret_cast<std::uint32_t*>(record.data() - kHeaderSize);
  std::atomic_ref(*length).store(static_cast<std::uint32_t>(record.size()) | bits, std::memory_order_release);
}

Result<void> UserRingProducer::CheckSize(std::uint32_t size) const {
  if (size < kDiscardBit && StepOver(size) <= size_bytes()) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("map {}: a record of {} bytes does not fit into {}", name(), size, size_bytes()), E2BIG);
}

UserRingRecord& UserRingRecord::operator=(UserRingRecord&& other) noexcept {
  UserRingRecord taken(std::move(other));
  std::swap(producer_, taken.producer_);
  std::swap(bytes_, taken.bytes_);
  return *this;
}

UserRingRecord::~UserRingRecord() {
  if (producer_ != nullptr) UserRingProducer::End(bytes_, kDiscardBit);
}

void UserRingRecord::Submit() && {
  UserRingProducer::End(bytes_, 0);
  producer_.reset();
}

void UserRingRecord::Discard() && {
  UserRingProducer::End(bytes_, kDiscardBit);
  producer_.reset();
}

Result<UserRingWriter> UserRingWriter::Open(const Map& map) {
  auto memory = STRATA_TRY(map.backend_map()->UserRing());
  auto waker = STRATA_TRY(Waker::Make());
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLOUT | EPOLLET;
  if (!epoll || ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, memory->poll_descriptor(), &event) != 0) {
    return Error::FromErrno(errno, fmt::format("map {}: epoll", map.name()));
  }
  return UserRingWriter(
      std::make_shared<UserRingProducer>(map.Clone(), std::move(memory), std::move(waker), std::move(epoll)));
}

Result<UserRingRecord> UserRingWriter::Reserve(std::uint32_t size_bytes) {
  STRATA_TRY(producer_->CheckSize(size_bytes));
  if (const auto record = producer_->TryReserve(size_bytes)) return UserRingRecord(producer_, *record);
  return Error(ErrorCode::kNoSpace, fmt::format("map {}: no room for {} bytes now", producer_->name(), size_bytes),
               ENOSPC);
}

Result<UserRingRecord> UserRingWriter::WaitAndReserve(std::uint32_t size_bytes, const Deadline& deadline) {
  STRATA_TRY(producer_->CheckSize(size_bytes));
  const auto record = STRATA_TRY(producer_->WaitAndReserve(size_bytes, deadline));
  if (record) return UserRingRecord(producer_, *record);
  return Error(ErrorCode::kBusy,
               fmt::format("map {}: no room for {} bytes until the wait ended", producer_->name(), size_bytes));
}

Result<void> UserRingWriter::Write(std::span<const std::byte> record) {
  if (record.size() >= kBusyBit) return producer_->CheckSize(kBusyBit);
  auto room = STRATA_TRY(Reserve(static_cast<std::uint32_t>(record.size())));
  if (!record.empty()) std::memcpy(room.bytes().data(), record.data(), record.size());
  std::move(room).Submit();
  return {};
}

void UserRingWriter::Wake() const noexcept { producer_->waker().Wake(); }
std::uint64_t UserRingWriter::unread_bytes() const { return producer_->unread_bytes(); }
std::uint64_t UserRingWriter::size_bytes() const { return producer_->size_bytes(); }

}  // namespace strata
