// One bounds-checked cursor for everything that is parsed by hand. Its errors name the file, the section and the
// offset.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "strata/base/result.h"

namespace strata {

// A position in bytes, apart from an instruction's index (isa::InsnIndex).
struct ByteOffset {
  std::uint64_t value = 0;
  auto operator<=>(const ByteOffset&) const = default;
};

template <std::integral T>
constexpr T SwapBytes(T value) {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
}

// Does not own the bytes. `where` is what errors start with, for example "a.bpf.o: section .BTF".
class STRATA_EXPORT ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes, std::string where = {}, std::endian order = std::endian::native)
      : bytes_(bytes), where_(std::move(where)), order_(order) {}

  std::endian order() const { return order_; }
  std::size_t size() const { return bytes_.size(); }
  std::size_t offset() const { return offset_; }
  std::size_t remaining() const { return bytes_.size() - offset_; }
  const std::string& where() const { return where_; }

  Result<void> Seek(std::uint64_t offset, std::string_view what);
  Result<void> Skip(std::uint64_t count, std::string_view what);

  // The next integer, in host byte order. `what` names the field in the error.
  template <std::integral T>
  Result<T> Read(std::string_view what) {
    if (sizeof(T) > remaining()) return Truncated(sizeof(T), what);
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return order_ == std::endian::native ? value : SwapBytes(value);
  }

  // The next `count` bytes, without copying.
  Result<std::span<const std::byte>> ReadBytes(std::uint64_t count, std::string_view what);

  // A reader of its own over [offset, offset + size) of this one, for a table inside a section.
  Result<ByteReader> Slice(std::uint64_t offset, std::uint64_t size, std::string_view what) const;

  // The NUL-terminated string at `offset`; an error where the end comes first.
  Result<std::string_view> StringAt(std::uint64_t offset, std::string_view what) const;

  // An error at the current position: "a.bpf.o: section .BTF: offset 24: <message>".
  Error Malformed(std::string_view message) const;

 private:
  Error Truncated(std::uint64_t wanted, std::string_view what) const;

  std::span<const std::byte> bytes_;
  std::string where_;
  std::endian order_;
  std::size_t offset_ = 0;
};

}  // namespace strata
