// A C++ type as BTF can be compared with it: for values that users give to variables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata {

enum class ValueClass : std::uint8_t {
  kObject,  // struct, array, pointer: only the size can be compared
  kSigned,  // integers
  kUnsigned,
  kCharacter,  // char, whose sign is the compiler's choice
  kBool,
  kFloat,
  kEnum,  // whose sign is the compiler's choice, too
};

struct ValueShape {
  ValueClass kind = ValueClass::kObject;
  std::size_t size_bytes = 0;
  bool operator==(const ValueShape&) const = default;
};

template <typename T>
constexpr ValueShape ShapeOf() {
  if constexpr (std::is_same_v<T, bool>) return {ValueClass::kBool, sizeof(T)};
  if constexpr (std::is_same_v<T, char>) return {ValueClass::kCharacter, sizeof(T)};
  if constexpr (std::is_same_v<T, std::byte>) return {ValueClass::kObject, sizeof(T)};
  if constexpr (std::is_enum_v<T>) return {ValueClass::kEnum, sizeof(T)};
  if constexpr (std::is_floating_point_v<T>) return {ValueClass::kFloat, sizeof(T)};
  if constexpr (std::is_integral_v<T>) {
    return {std::is_signed_v<T> ? ValueClass::kSigned : ValueClass::kUnsigned, sizeof(T)};
  }
  return {ValueClass::kObject, sizeof(T)};
}

// "an unsigned integer of 4 bytes"
STRATA_EXPORT std::string DescribeShape(const ValueShape& shape);

// Whether a value of that shape may be what a variable of that type holds: equal size, and a number only for a number
// of its kind and sign. kInvalidArgument names both types.
STRATA_EXPORT Result<void> CheckShape(const btf::Btf& types, btf::TypeId type, const ValueShape& shape);

}  // namespace strata
