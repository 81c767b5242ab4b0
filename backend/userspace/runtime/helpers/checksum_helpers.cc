#include "functions.h"

namespace strata::runtime {
namespace {

// One's complement sums (RFC 1071) of 32 bits: a carry is added back in. Zero has two forms, and which one a sum has is
// visible to programs, so each step below is the kernel's.
std::uint32_t AddCarries(std::uint64_t sum) noexcept {
  sum = (sum & 0xffffffff) + (sum >> 32);
  return static_cast<std::uint32_t>(sum) + static_cast<std::uint32_t>(sum >> 32);
}

// csum_partial(): what is missing to the last word is zero.
std::uint32_t SumOf(const void* bytes, std::uint32_t size, std::uint32_t start) noexcept {
  std::uint64_t sum = start;
  for (std::uint32_t done = 0; done < size; done += 4) {
    std::uint32_t word = 0;
    memcpy(&word, static_cast<const unsigned char*>(bytes) + done, size - done < 4 ? size - done : 4);
    sum += word;
  }
  return AddCarries(sum);
}

// csum_from32to16()
std::uint16_t Fold(std::uint32_t sum) noexcept {
  sum += (sum >> 16) | (sum << 16);
  return static_cast<std::uint16_t>(sum >> 16);
}

}  // namespace

// net/core/filter.c: the seed, less the old bytes, plus the new ones; folded to 16 bits, and of any size,
// since Linux 6.13.
STRATA_HELPER(HelperChecksumDifference) {
  const auto old_size = static_cast<std::uint32_t>(r2);
  const auto new_size = static_cast<std::uint32_t>(r4);
  const auto seed = static_cast<std::uint32_t>(r5);
  if (new_size == 0) {
    return Fold(old_size == 0 ? seed : ~SumOf(PointerFrom<const void>(r1), old_size, ~seed));
  }
  const std::uint64_t sum = SumOf(PointerFrom<const void>(r3), new_size, seed);
  if (old_size == 0) return Fold(static_cast<std::uint32_t>(sum));
  const std::uint32_t old_sum = SumOf(PointerFrom<const void>(r1), old_size, 0);
  return Fold(AddCarries(sum + static_cast<std::uint32_t>(~old_sum)));
}

}  // namespace strata::runtime
