// Functions, symbols and hooks of the running kernel.
#include "kernel_fixture.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

class KernelSymbols : public testing::KernelTest {
 protected:
  Error ErrorOfProgram(const std::string& name) { return ErrorOf(LoadOnly(STRATA_BPF_KERNEL_SYMBOLS, {name})); }
};

TEST_F(KernelSymbols, AFunctionIsFoundByItsEssentialName) {
  auto objects = LoadOnly(STRATA_BPF_KERNEL_SYMBOLS, {"calls_a_function"});
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  constexpr std::uint32_t kThreadDaemon = 2;  // in every kernel, and never gone
  EXPECT_EQ(testing::RunOnPacket(*objects, "calls_a_function", kThreadDaemon), 1);
  EXPECT_EQ(testing::RunOnPacket(*objects, "calls_a_function", 0x7fffffff), 0);
}

TEST_F(KernelSymbols, AGuardedMissingFunctionIsNoObstacle) {
  auto objects = LoadOnly(STRATA_BPF_KERNEL_SYMBOLS, {"guards_a_missing_function"});
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  EXPECT_EQ(testing::RunOnPacket(*objects, "guards_a_missing_function"), 7);
}

TEST_F(KernelSymbols, ACallOfAMissingFunctionIsExplained) {
  const Error error = ErrorOfProgram("calls_a_missing_function");
  EXPECT_EQ(error.code(), ErrorCode::kVerifierRejected);
  EXPECT_THAT(error.message(), HasSubstr("kernel function strata_no_such_function: is not in the kernel's BTF"));
  EXPECT_THAT(error.log(), HasSubstr("2002000"));
}

TEST_F(KernelSymbols, AStrongMissingFunctionNamesTheRemedy) {
  const Error error = ErrorOfProgram("calls_a_strong_missing_function");
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_THAT(error.message(), HasSubstr("program calls_a_strong_missing_function: instruction "));
  EXPECT_THAT(error.message(), HasSubstr("kernel function strata_no_strong_function: is not in the kernel's BTF"));
  EXPECT_THAT(error.message(), HasSubstr("__weak"));
}

TEST_F(KernelSymbols, AnotherPrototypeIsAnotherFunction) {
  const Error error = ErrorOfProgram("calls_with_another_prototype");
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message(), HasSubstr("kernel function bpf_rcu_read_lock: has another type in this kernel"));
  auto weak = LoadOnly(STRATA_BPF_KERNEL_SYMBOLS, {"calls_weakly_with_another_prototype"});
  ASSERT_TRUE(weak) << weak.error().message();
  EXPECT_EQ(testing::RunOnPacket(*weak, "calls_weakly_with_another_prototype"), 9);
}

TEST_F(KernelSymbols, AddressesAreThoseOfKallsyms) {
  auto objects = LoadOnly(STRATA_BPF_KERNEL_SYMBOLS, {"takes_an_address"});
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  std::uint64_t context[2] = {1, 1};
  testing::RunAsSyscall(*objects, "takes_an_address", context, sizeof(context));
  EXPECT_EQ(context[0], KernelFacts().AddressOf("bpf_prog_put").value());
  EXPECT_EQ(context[1], 0U);
}

TEST_F(KernelSymbols, AStrongMissingSymbolNamesTheRemedy) {
  const Error error = ErrorOfProgram("takes_a_missing_address");
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_THAT(error.message(), HasSubstr("kernel symbol strata_no_strong_symbol: is not in /proc/kallsyms"));
}

TEST_F(KernelSymbols, AVariableOfAnotherTypeIsRefused) {
  EXPECT_THAT(ErrorOfProgram("takes_a_variable_of_another_type").message(),
              HasSubstr("kernel symbol runqueues: has another type in this kernel"));
}

TEST_F(KernelSymbols, AWeakMissingVariableIsZero) {
  const auto objects = LoadOnly(STRATA_BPF_KERNEL_SYMBOLS, {"takes_a_missing_variable"});
  EXPECT_TRUE(objects) << objects.error().message() << objects.error().log();
}

TEST_F(KernelSymbols, ATracepointIsHookedByItsType) {
  const auto objects = LoadOnly(STRATA_BPF_KERNEL_SYMBOLS, {"hooks_a_tracepoint"});
  EXPECT_TRUE(objects) << objects.error().message() << objects.error().log();
}

TEST_F(KernelSymbols, WhatCannotBeHookedNamesWhatWasLookedFor) {
  EXPECT_THAT(ErrorOfProgram("hooks_a_missing_tracepoint").message(),
              HasSubstr("no tracepoint strata_no_such_tracepoint (no btf_trace_strata_no_such_tracepoint in its BTF)"));
  EXPECT_THAT(ErrorOfProgram("hooks_a_missing_iterator").message(),
              HasSubstr("no iterator strata_no_such_iterator (no bpf_iter_strata_no_such_iterator"));
  EXPECT_THAT(ErrorOfProgram("hooks_a_missing_function").message(),
              HasSubstr("no function strata_no_such_function (no strata_no_such_function in its BTF)"));
  EXPECT_THAT(ErrorOfProgram("hooks_nothing").message(), HasSubstr("names no function to hook; write SEC("));
}

}  // namespace
}  // namespace strata
