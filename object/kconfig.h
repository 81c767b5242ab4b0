// The values of `extern ... __kconfig` variables: what the map .kconfig holds before programs are loaded.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "strata/backend/kernel_facts.h"
#include "strata/base/result.h"
#include "strata/spec/collection_spec.h"

namespace strata {

inline constexpr std::string_view kKconfigMap = ".kconfig";

// Writes each value to its place in `contents` (of the map .kconfig). A line "CONFIG_X=value" of `text` comes first,
// then ExternSpec::value, then the kernel, which is asked only for what is still open. Errors name the variable:
// kNotFound for one that is set nowhere and not weak, kInvalidArgument for a value that does not fit its type.
Result<void> ResolveKconfig(const CollectionSpec& collection, const KernelFacts& kernel, std::string_view text,
                            std::vector<std::byte>& contents);

}  // namespace strata
