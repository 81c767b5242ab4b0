// The number that a CO-RE relocation puts into an instruction.
#pragma once

#include <bit>
#include <optional>

#include "core_spec.h"
#include "core_types.h"
#include "strata/base/result.h"
#include "strata/btf/core.h"

namespace strata::btf::core {

// What a relocation answers about `spec` on one side; `order` is that of the code. Errors: kMalformed for a bitfield
// that no load of at most 8 bytes reads, or a question that cannot be asked of an array's element.
Result<CoreResolution> Resolve(CoreKind kind, const Side& local, const Spec& spec, const Side* target,
                               const Spec* found, std::endian order);

}  // namespace strata::btf::core
