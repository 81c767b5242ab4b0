// The hash of map keys. Private: the only place that includes xxhash.
#pragma once

#include <cstdint>

// General registers only (the scalar code), everything inline under names of our own.
#define XXH_NAMESPACE strata_runtime_
#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_SCALAR
#define XXH_FORCE_MEMORY_ACCESS 1  // reads through a packed type: memcpy would be a call here
// It includes <stdlib.h>: the C library's own, since the C++ one has functions that return floating point.
#define _GLIBCXX_INCLUDE_NEXT_C_HEADERS
#include <xxhash.h>
#undef _GLIBCXX_INCLUDE_NEXT_C_HEADERS

namespace strata::runtime {

// Seeded per map, so that nobody outside can choose colliding keys. The constant lengths inline to a few
// multiplications.
[[gnu::always_inline]] inline std::uint64_t HashKey(const void* key, std::uint32_t size_bytes,
                                                    std::uint64_t seed) noexcept {
  if (size_bytes == 8) return XXH3_64bits_withSeed(key, 8, seed);
  if (size_bytes == 4) return XXH3_64bits_withSeed(key, 4, seed);
  if (size_bytes <= 16) return XXH3_64bits_withSeed(key, size_bytes, seed);
  return XXH64(key, size_bytes, seed);
}

}  // namespace strata::runtime
