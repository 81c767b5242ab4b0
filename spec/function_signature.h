// Prototypes of functions that programs call by name outside of the kernel, as far as their values differ in registers.
#pragma once

#include <cstdint>

namespace strata {

// What a parameter or a result is; of integers (enums and bool among them) the bytes.
enum class ValueKind : std::uint8_t { kVoid = 0, kByte = 1, kHalfWord = 2, kWord = 4, kDoubleWord = 8, kPointer = 16 };

inline constexpr std::uint32_t kMaxParameters = 5;  // R1 to R5

struct FunctionSignature {
  ValueKind result = ValueKind::kVoid;
  std::uint8_t parameter_count = 0;
  ValueKind parameters[kMaxParameters] = {};
  std::uint8_t reserved = 0;
};
static_assert(sizeof(FunctionSignature) == 8);

constexpr bool operator==(const FunctionSignature& left, const FunctionSignature& right) {
  if (left.result != right.result || left.parameter_count != right.parameter_count) return false;
  for (std::uint32_t i = 0; i < kMaxParameters; ++i) {
    if (left.parameters[i] != right.parameters[i]) return false;
  }
  return true;
}

}  // namespace strata
