// Perf event arrays (kernel/bpf/arraymap.c, kernel/trace/bpf_trace.c, kernel/events/ring_buffer.c): the table has a
// PerfSlot and a window of addresses for each slot of the session. Windows have memory only once somebody reads.
#include <linux/perf_event.h>

#include "index_keys.h"
#include "ops.h"
#include "strata/backend/userspace/runtime/perf_ring.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kWindow = std::uint64_t{kPageSize} + kMaxPerfData;
constexpr std::uint64_t kIndexMask = 0xffffffff;       // BPF_F_INDEX_MASK, and BPF_F_CURRENT_CPU
constexpr std::uint32_t kPreserveElements = 1U << 11;  // BPF_F_PRESERVE_ELEMS
constexpr std::uint64_t kMaxRecord = 0xfff8;           // perf_event_header::size has 16 bits
constexpr std::uint32_t kSampleStart = sizeof(perf_event_header) + sizeof(std::uint32_t);

// Indices into MapView::derived.
enum PerfDerived : std::uint32_t { kSlotCount, kWindowsOffset };

struct LostRecord {
  perf_event_header header;
  std::uint64_t id;
  std::uint64_t count;
};
static_assert(sizeof(LostRecord) == 24);

// The one being written. Positions count bytes; records begin at multiples of 8.
struct Buffer {
  PerfSlot* slot;
  perf_event_mmap_page* control;
  std::byte* data;
  std::uint32_t size;
};

void CopyInto(const Buffer& buffer, std::uint64_t position, const void* from, std::uint32_t size_bytes) {
  const auto start = static_cast<std::uint32_t>(position & (buffer.size - 1));
  const std::uint32_t first = size_bytes <= buffer.size - start ? size_bytes : buffer.size - start;
  memcpy(buffer.data + start, from, first);
  if (first < size_bytes) memcpy(buffer.data, static_cast<const std::byte*>(from) + first, size_bytes - first);
}

// PERF_RECORD_SAMPLE with PERF_SAMPLE_RAW alone: header, count of raw bytes with their padding, they.
void WriteSample(const Buffer& buffer, std::uint64_t position, const void* from, std::uint32_t size_bytes,
                 std::uint32_t record_size) {
  struct {
    perf_event_header header;
    std::uint32_t raw_size;
  } start{{PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER, static_cast<std::uint16_t>(record_size)},
          record_size - kSampleStart};
  static_assert(sizeof(start) == kSampleStart);
  const std::uint64_t padding = 0;
  CopyInto(buffer, position, &start, sizeof(start));
  CopyInto(buffer, position + kSampleStart, from, size_bytes);
  CopyInto(buffer, position + kSampleStart + size_bytes, &padding, record_size - kSampleStart - size_bytes);
}

// perf_output_begin: -ENOSPC, counted, when it is paused or full. The last byte of a buffer is never used.
long MakeRoom(const Buffer& buffer, std::uint32_t size_bytes) {
  const std::uint64_t tail = __atomic_load_n(&buffer.control->data_tail, __ATOMIC_ACQUIRE);
  const std::uint64_t room = (tail - buffer.slot->head - 1) & (buffer.size - 1);
  const bool is_paused = __atomic_load_n(&buffer.slot->paused, __ATOMIC_ACQUIRE) != 0;
  if (!is_paused && (buffer.slot->overwritable != 0 ? size_bytes < buffer.size : size_bytes <= room)) return 0;
  ++buffer.slot->lost;
  return -ENOSPC;
}

// perf_output_put_handle and perf_output_sample: after so many records, or so many bytes.
bool IsReadableNow(PerfSlot& slot, std::uint64_t head) {
  bool is_readable = false;
  const std::uint64_t written = slot.overwritable != 0 ? -head : head;
  if (written - slot.wakeup_head > slot.watermark) {
    slot.wakeup_head += slot.watermark;
    is_readable = true;
  }
  if (slot.wakeup_records != 0 && ++slot.records >= slot.wakeup_records) {
    slot.records = 0;
    is_readable = true;
  }
  return is_readable;
}

void Publish(MapView& map, const Buffer& buffer, std::uint64_t head) {
  PerfSlot& slot = *buffer.slot;
  __atomic_store_n(&slot.head, head, __ATOMIC_RELEASE);
  __atomic_store_n(&buffer.control->data_head, head, __ATOMIC_RELEASE);
  if (!IsReadableNow(slot, head)) return;
  // A full barrier: the reader sets `waiting` and then looks; `ready` is bumped and then `waiting` looked at.
  __atomic_fetch_add(&slot.ready, 1U, __ATOMIC_SEQ_CST);
  WakeWaiter(map);
}

long Output(MapView& map, const Buffer& buffer, const void* from, std::uint32_t size_bytes) {
  PerfSlot& slot = *buffer.slot;
  const auto record_size = static_cast<std::uint32_t>(RoundUp(std::uint64_t{kSampleStart} + size_bytes, 8));
  const std::uint64_t lost = slot.lost;
  const std::uint32_t total = record_size + (lost != 0 ? sizeof(LostRecord) : 0);
  if (const long error = MakeRoom(buffer, total); error != 0) return error;
  std::uint64_t position = slot.overwritable != 0 ? slot.head - total : slot.head;
  const std::uint64_t head = slot.overwritable != 0 ? position : position + total;
  if (lost != 0) {
    const LostRecord record{{PERF_RECORD_LOST, 0, sizeof(LostRecord)}, 0, lost};
    CopyInto(buffer, position, &record, sizeof(record));
    position += sizeof(record);
  }
  WriteSample(buffer, position, from, size_bytes, record_size);
  if (lost != 0) slot.lost = 0;
  Publish(map, buffer, head);
  return 0;
}

// perf_event_array's alloc_check. Slots beyond the session's have no window: nobody can be there.
long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  constexpr std::uint32_t kUserAccess = map_flags::kReadOnly | map_flags::kWriteOnly;
  if (attributes.value_size != 4) return -EINVAL;
  const long error = CheckIndexed(attributes, map_flags::kNumaNode | kUserAccess | kPreserveElements);
  if (error != 0) return error;
  const std::uint32_t count =
      attributes.max_entries < attributes.possible_cpus ? attributes.max_entries : attributes.possible_cpus;
  out->value_stride = 8;
  out->sparse_size = count * kWindow;
  out->table_size = RoundUp(count * sizeof(PerfSlot), kPageSize) + out->sparse_size;
  return 0;
}

long Open(MapView& map) noexcept {
  map.derived[kSlotCount] = map.geometry.sparse_size / kWindow;
  map.derived[kWindowsOffset] = map.geometry.table_size - map.geometry.sparse_size;
  return 0;
}

long Erase(MapView& map, const void* key) noexcept {
  const std::uint32_t index = IndexOf(key);
  if (index >= map.max_entries) return -E2BIG;
  if (index >= PerfSlotCount(map)) return -ENOENT;
  return __atomic_exchange_n(&PerfSlotAt(map, index).data_size, 0U, __ATOMIC_SEQ_CST) != 0 ? 0 : -ENOENT;
}

// Elements are descriptors in the kernel; here BackendMap::PerfBuffer makes them.
void* Lookup(MapView& /*map*/, const void* /*key*/, std::uint32_t /*slot*/) noexcept { return nullptr; }
long Update(MapView& /*map*/, const void* /*key*/, const void* /*value*/, std::uint64_t /*flags*/,
            std::uint32_t /*slot*/) noexcept {
  return -EINVAL;
}
long ForEach(MapView& /*map*/, std::uint32_t /*slot*/, ElementVisitor /*visit*/, void* /*argument*/) noexcept {
  return -EINVAL;
}
long CopyOut(MapView& /*map*/, const void* /*key*/, void* /*value*/, std::uint64_t /*flags*/) noexcept {
  return kNotSupportedErrno;
}
long CopyIn(MapView& map, const void* key, const void* /*value*/, std::uint64_t flags) noexcept {
  if (flags != 0) return -EINVAL;
  return IndexOf(key) >= map.max_entries ? -E2BIG : -EBADF;
}

}  // namespace

std::uint32_t PerfSlotCount(const MapView& map) noexcept { return static_cast<std::uint32_t>(map.derived[kSlotCount]); }

PerfSlot& PerfSlotAt(const MapView& map, std::uint32_t index) noexcept {
  return reinterpret_cast<PerfSlot*>(map.table)[index];
}

std::byte* PerfPagesAt(const MapView& map, std::uint32_t index) noexcept {
  return map.table + map.derived[kWindowsOffset] + index * kWindow;
}

long OutputSample(MapView& map, std::uint32_t slot, std::uint64_t flags, const void* from,
                  std::uint64_t size_bytes) noexcept {
  if ((flags & ~kIndexMask) != 0) return -EINVAL;
  const std::uint64_t index = flags == kIndexMask ? slot : flags;
  if (index >= map.max_entries) return -E2BIG;
  if (index >= PerfSlotCount(map)) return -ENOENT;
  PerfSlot& entry = PerfSlotAt(map, static_cast<std::uint32_t>(index));
  const std::uint32_t size = __atomic_load_n(&entry.data_size, __ATOMIC_ACQUIRE);
  // What the file says is not trusted to stay inside of the window.
  if (size == 0 || size > kMaxPerfData || (size & (size - 1)) != 0) return -ENOENT;
  if (index != slot) return -EOPNOTSUPP;
  if (size_bytes > kMaxRecord - kSampleStart) return -E2BIG;
  std::byte* pages = PerfPagesAt(map, static_cast<std::uint32_t>(index));
  const Buffer buffer{&entry, reinterpret_cast<perf_event_mmap_page*>(pages), pages + kPageSize, size};
  return Output(map, buffer, from, static_cast<std::uint32_t>(size_bytes));
}

constexpr MapOps kPerfEventArrayOps = {
    .traits = 0,
    .geometry = Geometry,
    .open = Open,
    .lookup = Lookup,
    .update = Update,
    .erase = Erase,
    .for_each = ForEach,
    .copy_out = CopyOut,
    .copy_in = CopyIn,
    .next_key = NextIndex,
};

}  // namespace strata::runtime
