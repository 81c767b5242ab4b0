// Helpers of the kernel that mean nothing in a process: what a refusal says of them. The loader alone needs the
// reasons, so they are not part of the table that traced processes carry (runtime/helpers/table.h).
#pragma once

#include <cstdint>
#include <span>

#include "strata/base/export.h"

namespace strata::verifier {

struct AbsentHelper {
  std::uint32_t id;    // enum bpf_func_id
  const char* name;    // without bpf_
  const char* reason;  // "works on packets"
};

// Sorted by id.
STRATA_EXPORT std::span<const AbsentHelper> AbsentHelpers();
// Null for helpers that the runtime has, and for numbers that no kernel gave.
STRATA_EXPORT const AbsentHelper* FindAbsentHelper(std::uint32_t id);

}  // namespace strata::verifier
