#include <fmt/format.h>
#include <linux/bpf.h>

#include <iterator>

#include "strata/isa/disassemble.h"

namespace strata::isa {
namespace {

#define STRATA_HELPER_NAME(name, ...) #name
constexpr const char* kNames[] = {__BPF_FUNC_MAPPER(STRATA_HELPER_NAME)};
#undef STRATA_HELPER_NAME

// The last two that were added (Linux 6.2; kernel functions took over); older headers end before them.
constexpr struct {
  std::uint32_t number;
  const char* name;
} kLastNames[] = {{210, "cgrp_storage_get"}, {211, "cgrp_storage_delete"}};

}  // namespace

std::string HelperName(std::uint32_t helper) {
  if (helper == 0) return {};
  if (helper < std::size(kNames)) return fmt::format("bpf_{}", kNames[helper]);
  for (const auto& row : kLastNames) {
    if (row.number == helper) return fmt::format("bpf_{}", row.name);
  }
  return {};
}

}  // namespace strata::isa
