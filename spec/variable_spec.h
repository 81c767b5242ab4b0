// A global variable of an object, before load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/type_id.h"

namespace strata {

// Lives in a data section's map; `value` is what it will hold when the objects are made.
struct STRATA_EXPORT VariableSpec {
  std::string name;
  std::string map_name;  // the data section, for example ".rodata"
  std::uint32_t offset_bytes = 0;
  btf::TypeId type;
  bool is_constant = false;  // in a read-only section
  std::vector<std::byte> value;

  bool operator==(const VariableSpec&) const = default;

  // Sets or reads the raw bytes; kInvalidArgument when the size differs from the variable's.
  Result<void> SetBytes(std::span<const std::byte> bytes);

  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<void> Set(const T& new_value) {
    return SetBytes(std::as_bytes(std::span(&new_value, 1)));
  }

  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<T> Get()
  const {
    T result;
    if (value.size() != sizeof(T)) return SizeMismatch(sizeof(T));
    std::memcpy(&result, value.data(), sizeof(T));
    return result;
  }

 private:
  Error SizeMismatch(std::size_t given) const;
};

}  // namespace strata
