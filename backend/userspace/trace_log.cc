#include <fmt/format.h>

#include <atomic>
#include <cstring>

#include "objects.h"
#include "strata/backend/userspace/runtime/owner_lock.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"

namespace strata::userspace {
namespace {

constexpr std::uint32_t kReaderLock =
    1;  // index into MapHeader::kind_state: one reader at a time, as of the kernel's trace_pipe

// "comm-tid: text", a line at a time.
void EmitLines(std::span<const std::byte> record, const std::function<void(std::string_view)>& on_line) {
  if (record.size() < sizeof(runtime::TraceRecord)) return;
  runtime::TraceRecord header;
  std::memcpy(&header, record.data(), sizeof(header));
  const std::string_view comm(header.comm, ::strnlen(header.comm, sizeof(header.comm)));
  std::string_view text(reinterpret_cast<const char*>(record.data()) + sizeof(header), record.size() - sizeof(header));
  if (text.ends_with('\n')) text.remove_suffix(1);
  for (;;) {
    const std::size_t end = text.find('\n');
    on_line(fmt::format("{}-{}: {}", comm, header.tid, text.substr(0, end)));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

class SessionLog : public TraceLog {
 public:
  explicit SessionLog(SharedPtr shared)
      : shared_(std::move(shared)), log_(*shared_->session->process().log), ring_(MakeRingMemory(shared_, log_)) {}

  int poll_descriptor() const override { return ring_->poll_descriptor(); }

  std::uint64_t lost_count() const override { return __atomic_load_n(&log_.header->dropped, __ATOMIC_RELAXED); }

  Result<void> Drain(const std::function<void(std::string_view)>& on_line) override {
    runtime::Process& process = shared_->session->process();
    runtime::OwnerWord* lock = &log_.header->kind_state[kReaderLock];
    // Another loader of the session is reading: the lines are its.
    if (runtime::Take(process, lock, runtime::CurrentOwner(process)) == runtime::Taken::kNot) return {};
    std::uint64_t position = __atomic_load_n(runtime::ConsumerPosition(log_), __ATOMIC_ACQUIRE);
    while (runtime::HasData(log_) && !runtime::IsNextRecordBusy(log_)) {
      const auto step = Consume(position, on_line);
      if (step == 0) break;
      position += step;
      __atomic_store_n(runtime::ConsumerPosition(log_), position, __ATOMIC_RELEASE);
    }
    runtime::Drop(lock);
    ring_->Rearm();
    return {};
  }

 private:
  // Bytes of the record at `position`; 0 where the ring is corrupt.
  std::uint64_t Consume(std::uint64_t position, const std::function<void(std::string_view)>& on_line) {
    const std::byte* at = runtime::RingData(log_) + (position & (log_.max_entries - 1));
    runtime::RecordHeader header;
    std::memcpy(&header, at, sizeof(header));
    const std::uint32_t length = header.length & ~(runtime::kRecordBusy | runtime::kRecordDiscarded);
    const std::uint64_t step = (std::uint64_t{length} + sizeof(header) + 7) / 8 * 8;
    if (position % 8 != 0 || step > log_.max_entries) return 0;
    if ((header.length & runtime::kRecordDiscarded) == 0) EmitLines({at + sizeof(header), length}, on_line);
    return step;
  }

  SharedPtr shared_;
  runtime::MapView& log_;
  std::unique_ptr<RingMemory> ring_;
};

}  // namespace

Result<std::unique_ptr<TraceLog>> OpenTraceLog(SharedPtr shared) {
  return std::unique_ptr<TraceLog>(std::make_unique<SessionLog>(std::move(shared)));
}

}  // namespace strata::userspace
