// User ring buffers (kernel/bpf/ringbuf.c): records that user space writes and programs read, in the layout of ring
// buffers (ring_buffer.h).
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/map_view.h"

namespace strata::runtime {

// Called with a record's address and size; a non-zero result ends the reading after it.
using RecordVisitor = long (*)(void* record, std::uint32_t size_bytes, void* argument) noexcept;

// Reads what is there, 131,072 records at most, and returns how many without the discarded ones. -EINVAL for unknown
// flags (BPF_RB_*) or a record that cannot be, -E2BIG for one that is too large, -EBUSY while another reads.
long DrainUserRing(MapView& ring, std::uint64_t flags, RecordVisitor visit, void* argument) noexcept;

}  // namespace strata::runtime
