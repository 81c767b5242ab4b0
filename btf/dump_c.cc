#include "strata/btf/dump_c.h"

#include "c_printer.h"

namespace strata::btf {
namespace {

constexpr std::string_view kHeader = R"(#pragma once

#if defined(__bpf__) && defined(__clang__)
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#endif
)";
constexpr std::string_view kFooter = R"(
#if defined(__bpf__) && defined(__clang__)
#pragma clang attribute pop
#endif
)";

}  // namespace

Result<std::string> DumpC(const Btf& types, std::span<const TypeId> wanted) {
  CPrinter printer(types, CNames(types));
  return std::string(kHeader) + STRATA_TRY(printer.Print(wanted))
  +std::string(kFooter);
}

}  // namespace strata::btf
