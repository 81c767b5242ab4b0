// Fields of a map's values that the runtime must know of: what the kernel's struct btf_record says of them.
#pragma once

#include <cstdint>

#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::userspace {

struct ValueFields {
  std::uint32_t spin_lock_offset;  // bytes into the value; runtime::kNoField without one
  std::uint32_t timer_offset;
};

// Looks at the members of a struct, as kernel/bpf/btf.c btf_parse_fields() does. kNoSpace (E2BIG) for two fields of a
// kind, kInvalidArgument for one that is not where the kernel wants it. Types that are no structs have no fields.
Result<ValueFields> FindValueFields(const btf::Btf& types, btf::TypeId value_type);

}  // namespace strata::userspace
