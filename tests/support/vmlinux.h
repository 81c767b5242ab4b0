// The running kernel's types, for tests that want a large BTF.
#pragma once

#include <unistd.h>

namespace strata::test {

inline constexpr char kVmlinux[] = "/sys/kernel/btf/vmlinux";

}  // namespace strata::test

#define STRATA_NEEDS_VMLINUX()                                          \
  if (::access(::strata::test::kVmlinux, R_OK) != 0) {                  \
    GTEST_SKIP() << ::strata::test::kVmlinux << " cannot be read here"; \
  }                                                                     \
  static_assert(true)
