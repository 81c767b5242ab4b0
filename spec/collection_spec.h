// All that one object file says: plain values, editable before objects are made of them.
#pragma once

#include <bit>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "strata/btf/btf.h"
#include "strata/spec/extern_spec.h"
#include "strata/spec/map_spec.h"
#include "strata/spec/program_spec.h"
#include "strata/spec/value_shape.h"
#include "strata/spec/variable_spec.h"

namespace strata {

struct STRATA_EXPORT CollectionSpec {
  std::string name;  // the file's name without its folder and suffix, or what the reader's caller gave
  std::endian byte_order = std::endian::native;
  std::map<std::string, MapSpec, std::less<>> maps;
  std::map<std::string, ProgramSpec, std::less<>> programs;
  std::map<std::string, FunctionSpec, std::less<>> functions;  // subprograms that programs call
  std::map<std::string, VariableSpec, std::less<>> variables;
  std::map<std::string, ExternSpec, std::less<>> externs;  // what the kernel has to provide
  std::shared_ptr<const btf::Btf> types;  // null for an object without BTF; immutable and shared by copies

  bool operator==(const CollectionSpec& other) const;

  // A variable's value, with T checked against the variable's type in BTF: size, and for numbers kind and sign (without
  // BTF only the size is known). Errors name the variable and both types: kNotFound, kInvalidArgument.
  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<void> SetVariable(std::string_view variable, const T& value) {
    STRATA_TRY(CheckVariable(variable, ShapeOf<T>()));
    return variables.find(variable)->second.Set(value);
  }
  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<T> GetVariable(std::string_view variable)
  const {
    STRATA_TRY(CheckVariable(variable, ShapeOf<T>()));
    return variables.find(variable)->second.Get<T>();
  }

  // What both of them check.
  Result<void> CheckVariable(std::string_view variable, const ValueShape& shape) const;
};

}  // namespace strata
