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

// Both halves of a product: each bit of the result depends on each bit of the factors.
[[gnu::always_inline]] inline std::uint64_t FoldedProduct(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Product = unsigned __int128;
  const Product product = static_cast<Product>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Seeded per map, so that nobody outside can choose colliding keys. Words take one multiplication by an odd constant
// without pattern (the golden ratio's fraction), other short keys what XXH3 has for them.
[[gnu::always_inline]] inline std::uint64_t HashKey(const void* key, std::uint32_t size_bytes,
                                                    std::uint64_t seed) noexcept {
  constexpr std::uint64_t kGoldenRatio = 0x9e3779b97f4a7c15;
  if (size_bytes == 8) {
    std::uint64_t word;
    __builtin_memcpy(&word, key, sizeof(word));
    return FoldedProduct(word ^ seed, kGoldenRatio);
  }
  if (size_bytes == 4) {
    std::uint32_t word;
    __builtin_memcpy(&word, key, sizeof(word));
    return FoldedProduct(word ^ seed, kGoldenRatio);
  }
  if (size_bytes <= 16) return XXH3_64bits_withSeed(key, size_bytes, seed);
  return XXH64(key, size_bytes, seed);
}

}  // namespace strata::runtime
