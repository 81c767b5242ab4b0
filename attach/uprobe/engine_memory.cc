#include "engine_memory.h"

#include <cstdint>

#include "thread_record.h"
#include "x86_64/system_calls.h"

namespace strata::attach {
namespace {

constexpr std::uint64_t kChunkSize = 64 << 10;

// The first free byte of the current chunk; chunks begin at multiples of their size, so that the address tells what is
// left. 0: none yet.
constinit std::uint64_t next_free = 0;

// Address space of twice the size holds an aligned chunk; the rest is given back.
std::uint64_t MapChunk() {
  const long mapped = sys::Mmap(0, 2 * kChunkSize, sys::kProtectRead | sys::kProtectWrite, 0);
  if (sys::IsError(mapped)) return 0;
  const auto begin = static_cast<std::uint64_t>(mapped);
  const std::uint64_t chunk = (begin + kChunkSize - 1) & ~(kChunkSize - 1);
  if (chunk != begin) sys::Raw(sys::Call::kMunmap, begin, chunk - begin);
  sys::Raw(sys::Call::kMunmap, chunk + kChunkSize, begin + kChunkSize - chunk);
  return chunk;
}

}  // namespace

void* AllocateForEver(std::size_t size_bytes) noexcept {
  const std::uint64_t size = (size_bytes + kCacheLine - 1) & ~(kCacheLine - 1);
  std::uint64_t at = __atomic_load_n(&next_free, __ATOMIC_ACQUIRE);
  for (;;) {
    const bool is_spent = at == 0 || at % kChunkSize == 0 || kChunkSize - at % kChunkSize < size;
    // A chunk's first line stays unused: a multiple of the size says that the chunk before it is full.
    const std::uint64_t start = is_spent ? MapChunk() + kCacheLine : at;
    if (start == kCacheLine) return nullptr;
    if (__atomic_compare_exchange_n(&next_free, &at, start + size, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
      return reinterpret_cast<void*>(start);
    }
    if (is_spent) sys::Raw(sys::Call::kMunmap, start - kCacheLine, kChunkSize);
  }
}

}  // namespace strata::attach
