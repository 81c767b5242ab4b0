#include "strata/backend/userspace/runtime/functions/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "strata/backend/userspace/runtime/host_functions.h"

namespace strata::runtime {
namespace {

TEST(FunctionTable, IsSortedByNameAndComplete) {
  std::string last;
  for (const FunctionRow& row : Functions()) {
    EXPECT_LT(last, row.name);
    last = row.name;
    EXPECT_LT(last.size(), kNameSize);
    EXPECT_NE(row.function, nullptr) << row.name;
    EXPECT_EQ(FindFunctionRow(row.name), &row);
    for (std::uint32_t i = 0; i < kMaxParameters; ++i) {
      EXPECT_EQ(row.signature.parameters[i] == ValueKind::kVoid, i >= row.signature.parameter_count) << row.name;
    }
  }
  EXPECT_EQ(FindFunctionRow("bpf_iter_num"), nullptr) << "a prefix is another name";
  EXPECT_EQ(FindFunctionRow(""), nullptr);
}

std::uint64_t Weigh(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d, std::uint64_t e) noexcept {
  __asm__ volatile("pxor %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7; pxor %%xmm13, %%xmm13" ::: "xmm0", "xmm7", "xmm13");
  return a + 2 * b + 3 * c + 4 * d + 5 * e;
}

struct VectorRegisters {
  alignas(16) std::uint8_t xmm0[16];
  alignas(16) std::uint8_t xmm7[16];
  alignas(16) std::uint8_t xmm13[16];
};

// Calls it with these registers, and gives what is in them afterwards.
VectorRegisters CallWith(const VectorRegisters& before, std::uint64_t* result) {
  VectorRegisters after = {};
  std::uint64_t rax = 0;
  std::uint64_t a = 1;
  std::uint64_t b = 10;
  std::uint64_t c = 100;
  register std::uint64_t d __asm__("rcx") = 1000;
  register std::uint64_t e __asm__("r8") = 10000;
  register const void* function __asm__("r9") = reinterpret_cast<const void*>(&Weigh);
  __asm__ volatile(
      "movdqa %[before0], %%xmm0\n movdqa %[before7], %%xmm7\n movdqa %[before13], %%xmm13\n"
      "movq %%rsp, %%rbx\n subq $128, %%rsp\n andq $-16, %%rsp\n"
      "call strata_call_host\n"
      "movq %%rbx, %%rsp\n"
      "movdqa %%xmm0, %[after0]\n movdqa %%xmm7, %[after7]\n movdqa %%xmm13, %[after13]\n"
      : "=&a"(rax), "+D"(a), "+S"(b), "+d"(c), "+r"(d), "+r"(e),
        "+r"(function), [after0] "=m"(after.xmm0), [after7] "=m"(after.xmm7), [after13] "=m"(after.xmm13)
      : [before0] "m"(before.xmm0), [before7] "m"(before.xmm7), [before13] "m"(before.xmm13)
      : "rbx", "r10", "r11", "xmm0", "xmm7", "xmm13", "memory", "cc");
  *result = rax;
  return after;
}

TEST(HostFunctionCall, PassesArgumentsAndKeepsVectorRegisters) {
  if (!CanCallHostFunctions()) GTEST_SKIP() << "lacks xsave";
  VectorRegisters before;
  std::memset(before.xmm0, 0x11, sizeof(before.xmm0));
  std::memset(before.xmm7, 0x22, sizeof(before.xmm7));
  std::memset(before.xmm13, 0x33, sizeof(before.xmm13));
  std::uint64_t result = 0;
  const VectorRegisters after = CallWith(before, &result);
  EXPECT_EQ(result, 1U + 20 + 300 + 4000 + 50000);
  EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
}

TEST(HostFunctionCall, NamesAreLookedUpInTheTableOfTheProcess) {
  HostFunctionEntry last{"second", reinterpret_cast<const void*>(&Weigh), nullptr};
  HostFunctionEntry first{"first", &last, &last};
  const HostFunctions functions{&first};
  EXPECT_EQ(FindHostFunction(&functions, "second"), reinterpret_cast<const void*>(&Weigh));
  EXPECT_EQ(FindHostFunction(&functions, "first"), &last);
  EXPECT_EQ(FindHostFunction(&functions, "third"), nullptr);
  EXPECT_EQ(FindHostFunction(nullptr, "first"), nullptr);
}

}  // namespace
}  // namespace strata::runtime
