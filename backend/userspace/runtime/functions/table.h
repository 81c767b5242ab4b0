// Functions that programs call by name (`extern ... __ksym`): those of the kernel that mean something in a process.
// Their prototypes and results are the kernel's.
#pragma once

#include <cstddef>

#include "strata/backend/userspace/runtime/run_context.h"
#include "strata/spec/function_signature.h"

namespace strata::runtime {

struct FunctionRow {
  const char* name;
  Helper function;  // called as a helper is
  FunctionSignature signature;
};

struct FunctionTable {
  const FunctionRow* rows;
  std::size_t count;
  const FunctionRow* begin() const noexcept { return rows; }
  const FunctionRow* end() const noexcept { return rows + count; }
};

// Sorted by name.
FunctionTable Functions() noexcept;
// Null for a function that this runtime does not have.
const FunctionRow* FindFunctionRow(const char* name) noexcept;

}  // namespace strata::runtime
