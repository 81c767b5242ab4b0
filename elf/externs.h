// What an object takes from the kernel by name: undefined symbols that BTF lists in .kconfig and .ksyms.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "strata/base/result.h"
#include "strata/btf/btf.h"
#include "strata/spec/extern_spec.h"

namespace strata::elf {

inline constexpr std::string_view kKconfigSection = ".kconfig";
inline constexpr std::string_view kKsymsSection = ".ksyms";

using Externs = std::map<std::string, ExternSpec, std::less<>>;

// The DATASECs of both.
struct ExternSections {
  std::optional<btf::TypeId> kconfig;
  std::optional<btf::TypeId> ksyms;
};

// The variables and functions of both sections, by name, as the compiler describes them. `weak` names the symbols that
// may be missing. Configuration values get their places in the map ".kconfig": by descending alignment, then by size
// and name (libbpf's order). Errors: kMalformed names section and symbol.
Result<Externs> ReadExterns(const btf::Btf& types, const ExternSections& sections,
                            const std::set<std::string_view>& weak);

// Bytes that all configuration values take together.
std::uint32_t KconfigSize(const Externs& externs);

}  // namespace strata::elf
