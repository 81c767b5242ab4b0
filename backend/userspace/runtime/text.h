// Strings without libc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::runtime {

inline std::size_t TextLength(const char* text) noexcept {
  std::size_t length = 0;
  while (text[length] != 0) ++length;
  return length;
}

inline bool TextEqual(const char* left, const char* right) noexcept {
  while (*left != 0 && *left == *right) ++left, ++right;
  return *left == *right;
}

// True when a NUL lies within the first `size` bytes.
inline bool IsTerminated(const char* text, std::size_t size) noexcept {
  for (std::size_t i = 0; i < size; ++i) {
    if (text[i] == 0) return true;
  }
  return false;
}

}  // namespace strata::runtime
