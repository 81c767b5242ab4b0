#include "strata/backend/userspace/runtime/stack_capture.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <random>
#include <thread>

#include "session_fixture.h"
#include "stack_chain.h"
#include "strata/backend/userspace/runtime/fault_table.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kMost = 256;
using PtRegs = std::array<std::uint64_t, 21>;

// Words of struct pt_regs.
enum : std::size_t { kFramePointer = 4, kInstruction = 16, kStackPointer = 19 };

PtRegs RegistersOf(const ucontext_t& context) {
  constexpr int kOrder[] = {REG_R15, REG_R14, REG_R13, REG_R12, REG_RBP, REG_RBX, REG_R11, REG_R10, REG_R9,
                            REG_R8,  REG_RAX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RAX, REG_RIP};
  PtRegs regs{};
  for (std::size_t i = 0; i < std::size(kOrder); ++i)
    regs[i] = static_cast<std::uint64_t>(context.uc_mcontext.gregs[kOrder[i]]);
  regs[kStackPointer] = static_cast<std::uint64_t>(context.uc_mcontext.gregs[REG_RSP]);
  return regs;
}

struct Capture {
  Process* process;
  std::vector<std::uint64_t> ours;
  std::vector<std::uint64_t> libc;
};

// Both from the caller of this function on.
__attribute__((noinline)) void CaptureHere(void* argument) {
  auto& capture = *static_cast<Capture*>(argument);
  ucontext_t context;
  ::getcontext(&context);
  const PtRegs regs = RegistersOf(context);
  std::uint64_t frames[kMost];
  const std::uint32_t count = CaptureUserStack(*capture.process, regs.data(), 1, frames, kMost);
  capture.ours.assign(frames, frames + count);
  void* addresses[kMost];
  const int libc_count = ::backtrace(addresses, kMost);
  // A sanitizer puts a frame of its own in front.
  void** const caller = std::find(addresses, addresses + libc_count, __builtin_return_address(0));
  for (void** at = caller; at != addresses + libc_count; ++at)
    capture.libc.push_back(reinterpret_cast<std::uint64_t>(*at));
}

class StackCaptureTest : public RuntimeTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    RuntimeTest::SetUp();
    if (GetParam()) {
      ASSERT_EQ(UseFaultTable(process()), 0);
    }
  }
  Capture CaptureThrough(void (*chain)(int, void (*)(void*), void*), int depth) {
    Capture capture{&process(), {}, {}};
    chain(depth, CaptureHere, &capture);
    return capture;
  }
  std::vector<std::uint64_t> CaptureFrom(const PtRegs& regs, std::uint32_t skip = 0, std::uint32_t most = kMost) {
    std::uint64_t frames[kMost];
    const std::uint32_t count = CaptureUserStack(process(), regs.data(), skip, frames, most);
    return {frames, frames + count};
  }
};
INSTANTIATE_TEST_SUITE_P(, StackCaptureTest, ::testing::Bool(),
                         [](const auto& kind) { return kind.param ? "WithFaultTable" : "BySystemCalls"; });

TEST_P(StackCaptureTest, AgreesWithLibcOnEveryKindOfCode) {
  for (auto* chain : {strata_chain_with_pointers, strata_chain_without_pointers, strata_chain_in_library}) {
    for (const int depth : {0, 1, 20}) {
      const Capture capture = CaptureThrough(chain, depth);
      EXPECT_GT(capture.libc.size(), static_cast<std::size_t>(2 * depth));
      EXPECT_EQ(capture.ours, capture.libc) << depth;
    }
  }
}

TEST_P(StackCaptureTest, RulesThatWereRememberedAreTheSame) {
  const Capture first = CaptureThrough(strata_chain_without_pointers, 10);
  for (int i = 0; i < 3; ++i) {
    const Capture again = CaptureThrough(strata_chain_without_pointers, 10);
    EXPECT_EQ(again.ours, again.libc);
    EXPECT_EQ(again.ours.size(), first.ours.size());
  }
}

TEST_P(StackCaptureTest, ThreadsEndWhereTheyBegan) {
  std::thread([this] {
    const Capture capture = CaptureThrough(strata_chain_in_library, 5);
    EXPECT_EQ(capture.ours, capture.libc);
  }).join();
}

Capture* in_handler;
void OnSignal(int /*signal*/, siginfo_t* /*info*/, void* /*context*/) { CaptureHere(in_handler); }
void RaiseHere(void* /*argument*/) {
  ::raise(SIGUSR1);
  __asm__ volatile("" ::: "memory");
}

TEST_P(StackCaptureTest, SignalFramesAreWalkedThrough) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGUSR1, &action, &before);
  Capture capture{&process(), {}, {}};
  in_handler = &capture;
  strata_chain_without_pointers(4, RaiseHere, nullptr);
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(capture.ours, capture.libc);
  EXPECT_GT(capture.ours.size(), 10U);
}

TEST_P(StackCaptureTest, SkipsAndStopsWhereItIsTold) {
  ucontext_t context;
  ::getcontext(&context);
  const PtRegs regs = RegistersOf(context);
  const std::vector<std::uint64_t> all = CaptureFrom(regs);
  ASSERT_GT(all.size(), 4U);
  EXPECT_EQ(all[0], regs[kInstruction]);
  EXPECT_EQ(CaptureFrom(regs, 2), std::vector(all.begin() + 2, all.end()));
  EXPECT_EQ(CaptureFrom(regs, 1, 2), std::vector(all.begin() + 1, all.begin() + 3));
  EXPECT_TRUE(CaptureFrom(regs, 0, 0).empty());
  EXPECT_TRUE(CaptureFrom(regs, 1000).empty());
}

// Code without any information, such as a compiler's at run time.
TEST_P(StackCaptureTest, FramePointersServeWhereThereIsNothingElse) {
  // The inner frame, then the outer one: each the caller's frame pointer and the return address.
  std::uint64_t stack[4] = {0, 0x7654321, 0, 0x1234567};
  std::uint64_t* low = stack;
  stack[0] = reinterpret_cast<std::uint64_t>(&stack[2]);
  PtRegs regs{};
  regs[kInstruction] = 0x5000;
  regs[kFramePointer] = reinterpret_cast<std::uint64_t>(low);
  regs[kStackPointer] = reinterpret_cast<std::uint64_t>(low) - 64;
  EXPECT_EQ(CaptureFrom(regs), (std::vector<std::uint64_t>{0x5000, 0x7654321, 0x1234567}));
}

TEST_P(StackCaptureTest, BrokenChainsEndWithoutAFault) {
  std::uint64_t circle[2] = {reinterpret_cast<std::uint64_t>(circle), 0x7654321};
  for (const std::uint64_t pointer : {std::uint64_t{0}, std::uint64_t{8}, std::uint64_t{0xffff888000000000},
                                      std::uint64_t{0x8000000000000000}, reinterpret_cast<std::uint64_t>(circle)}) {
    PtRegs regs{};
    regs[kInstruction] = 0x5000;
    regs[kFramePointer] = pointer;
    EXPECT_LE(CaptureFrom(regs).size(), 2U) << std::hex << pointer;
  }
  ucontext_t context;
  ::getcontext(&context);
  PtRegs regs = RegistersOf(context);
  regs[kStackPointer] = 16;
  regs[kFramePointer] = ~std::uint64_t{0};
  EXPECT_EQ(CaptureFrom(regs).size(), 1U);
}

TEST_P(StackCaptureTest, AnyRegistersAreSafe) {
  std::mt19937_64 random(1);
  ucontext_t context;
  ::getcontext(&context);
  const PtRegs real = RegistersOf(context);
  const auto libc = reinterpret_cast<std::uint64_t>(&std::abort);
  for (int i = 0; i < 3000; ++i) {
    PtRegs regs = real;
    for (std::uint64_t& word : regs) {
      if (random() % 4 == 0) word = random() >> (random() % 64);
    }
    regs[kInstruction] = random() % 2 == 0 ? libc + random() % 0x100000 : real[kInstruction] + random() % 0x10000;
    regs[kStackPointer] = real[kStackPointer] + random() % 4096;
    EXPECT_GE(CaptureFrom(regs).size(), 1U);
  }
}

TEST_P(StackCaptureTest, LibrariesLoadedLaterAreFound) {
  CaptureThrough(strata_chain_without_pointers, 2);
  void* library = ::dlopen(STRATA_STACK_PLUGIN, RTLD_NOW);
  ASSERT_NE(library, nullptr) << ::dlerror();
  auto* chain = reinterpret_cast<decltype(&strata_chain_in_library)>(::dlsym(library, "strata_chain_in_plugin"));
  std::this_thread::sleep_for(std::chrono::milliseconds(11));
  const Capture capture = CaptureThrough(chain, 6);
  EXPECT_EQ(capture.ours, capture.libc);
  ::dlclose(library);
}

}  // namespace
}  // namespace strata::runtime
