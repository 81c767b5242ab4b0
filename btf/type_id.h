// The number of a type in a BTF.
#pragma once

#include <compare>
#include <cstdint>

namespace strata::btf {

// 0 is void.
struct TypeId {
  std::uint32_t value = 0;
  auto operator<=>(const TypeId&) const = default;
  explicit operator bool() const { return value != 0; }
};
inline constexpr TypeId kVoid{};

}  // namespace strata::btf
