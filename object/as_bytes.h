// Values whose C++ type cannot be what it is in a program: kept as bytes, and converted where they are used.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "strata/object/map_views.h"

namespace strata {

// A T of alignment 1 and without padding, so that it may be a MapElement whatever T is, or lie anywhere in memory.
// Converts from and to T. As a key of a map: bytes of T that are padding are part of the key, so start from T{}.
template <typename T>
requires std::is_trivially_copyable_v<T>
struct AsBytes {
  std::array<std::byte, sizeof(T)> bytes;

  AsBytes() = default;
  AsBytes(const T& value) { std::memcpy(bytes.data(), &value, sizeof(T)); }  // NOLINT: implicit on purpose
  operator T() const { return Get(); }                                       // NOLINT: implicit on purpose

  T Get() const {
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  bool operator==(const AsBytes&) const = default;
};

// T where it may be the key or value of a typed view, else its bytes: structs with floating point members, unions of
// members of different sizes.
template <typename T>
using ElementOf = std::conditional_t<MapElement<T>, T, AsBytes<T>>;

// T where a variable at that offset of its section may be referred to as one, else its bytes.
template <typename T, std::size_t kOffsetBytes>
using VariableAt =
    std::conditional_t<kOffsetBytes % alignof(T) == 0 && alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__, T, AsBytes<T>>;

}  // namespace strata
