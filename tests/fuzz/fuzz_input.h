// What every fuzz target needs: an input cut into parts, and a check that ends the process.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace strata::test {

// Bytes taken from the front of a fuzzer's input. What is missing reads as zero.
class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const std::byte*>(data), size) {}

  // A part as make_corpus.cc writes it: its size as a little-endian integer, then its bytes; a size that is too large
  // takes all that is left.
  std::span<const std::byte> TakePart() { return Take(TakeWord()); }

  std::uint32_t TakeWord() {
    std::uint32_t word = 0;
    const auto bytes = Take(sizeof(word));
    if (!bytes.empty()) std::memcpy(&word, bytes.data(), bytes.size());
    return word;
  }

  std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> Take(std::size_t wanted) {
    const auto part = rest_.first(std::min(wanted, rest_.size()));
    rest_ = rest_.subspan(part.size());
    return part;
  }
  std::span<const std::byte> rest_;
};

inline std::vector<std::byte> CopyOf(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

// An invariant that does not hold is a finding, as a crash is.
inline void Require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "invariant broken: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace strata::test
