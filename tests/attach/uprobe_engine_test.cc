#include "strata/attach/uprobe/uprobe_engine.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "hooked_function.h"
#include "strata/attach/uprobe/module_map.h"

extern "C" {
#define ASM_FUNCTION(name)           \
  long name(long, long, long, long); \
  extern char name##_end[]
ASM_FUNCTION(rip_load);
ASM_FUNCTION(rip_compare_immediate);
ASM_FUNCTION(short_branch);
ASM_FUNCTION(near_branch);
ASM_FUNCTION(loop_branch);
ASM_FUNCTION(rcx_branch);
ASM_FUNCTION(ecx_branch);
ASM_FUNCTION(direct_call);
ASM_FUNCTION(pointer_call);
ASM_FUNCTION(register_call);
ASM_FUNCTION(register_call_late);
ASM_FUNCTION(jump_away);
ASM_FUNCTION(tiny);
ASM_FUNCTION(flags_alive);
ASM_FUNCTION(carry_alive);
ASM_FUNCTION(direction_alive);
ASM_FUNCTION(red_zone);
ASM_FUNCTION(registers_alive);
ASM_FUNCTION(loop_to_start);
ASM_FUNCTION(tail_first);
ASM_FUNCTION(tail_second);
ASM_FUNCTION(tail_loop);
ASM_FUNCTION(two_results);
ASM_FUNCTION(keeps_scratch_registers);
#undef ASM_FUNCTION
extern char register_call_late_site[], flags_alive_site[], carry_alive_site[], direction_alive_site[], red_zone_site[],
    registers_alive_site[];
}

// Weak, so that no compiler looks into them at their callers; recursion goes through pointers, so that none makes a
// loop of it.
namespace hooked {

long Fibonacci(long n);
long (*volatile fibonacci)(long) = Fibonacci;
[[gnu::noinline, gnu::weak]] long Fibonacci(long n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

[[gnu::noinline, gnu::weak]] long Add(long a, long b, long c, long d, long e, long f) { return a + b + c + d + e + f; }

strata::attach::HookedFunction* removed_inside;
[[gnu::noinline, gnu::weak]] long RemovesItsHook(long value) {
  removed_inside->Remove();
  return value + 1;
}

jmp_buf jump_target;
long Dive(long depth, long leave);
long (*volatile dive)(long, long) = Dive;
[[gnu::noinline, gnu::weak]] long Dive(long depth, long leave) {
  if (depth == 0) {
    if (leave != 0) longjmp(jump_target, 1);
    return 0;
  }
  return 1 + dive(depth - 1, leave);
}

ucontext_t main_context, coroutines[2];
[[gnu::noinline, gnu::weak]] long Suspended(long which) {
  swapcontext(&coroutines[which], &main_context);
  return which + 10;
}

// Each frame has something to clean up.
int cleaned_up;
struct CleanUp {
  CleanUp() = default;
  CleanUp(const CleanUp&) = delete;
  CleanUp& operator=(const CleanUp&) = delete;
  ~CleanUp() { ++cleaned_up; }
};
long ThrowAfter(long depth);
long (*volatile throw_after)(long) = ThrowAfter;
[[gnu::noinline, gnu::weak]] long ThrowAfter(long depth) {
  const CleanUp clean_up;
  if (depth == 0) throw std::runtime_error("from below");
  return 1 + throw_after(depth - 1);
}

// How many frames a backtrace from `depth` calls below finds.
long CountFrames(long depth);
long (*volatile count_frames)(long) = CountFrames;
[[gnu::noinline, gnu::weak]] long CountFrames(long depth) {
  if (depth > 0) return count_frames(depth - 1) + 0 * depth;
  void* frames[128];
  return backtrace(frames, 128);
}

}  // namespace hooked

namespace strata::attach {
namespace {

using namespace hooked;  // NOLINT: the functions above are this test's own

using AsmFunction = long (*)(long, long, long, long);

// A place with its function's end.
#define PLACE(name) (Place{reinterpret_cast<const void*>(&(name)), name##_end, nullptr})
#define PLACE_AT_SITE(name) (Place{reinterpret_cast<const void*>(&(name)), name##_end, name##_site})

struct Executed {
  const char* name;
  Place place;
  AsmFunction function;
  long arguments[4];
  long result;
};

const Executed kExecuted[] = {
    {"RipRelativeLoad", PLACE(rip_load), rip_load, {23, 0, 0, 0}, 1023},
    {"RipRelativeOperandAndImmediate", PLACE(rip_compare_immediate), rip_compare_immediate, {1, 0, 0, 0}, 9},
    {"ShortBranchTaken", PLACE(short_branch), short_branch, {0, 0, 0, 0}, 5},
    {"ShortBranchNotTaken", PLACE(short_branch), short_branch, {1, 0, 0, 0}, 6},
    {"NearBranchTaken", PLACE(near_branch), near_branch, {0, 0, 0, 0}, 5},
    {"NearBranchNotTaken", PLACE(near_branch), near_branch, {1, 0, 0, 0}, 6},
    {"LoopTaken", PLACE(loop_branch), loop_branch, {0, 0, 0, 2}, 1},
    {"LoopNotTaken", PLACE(loop_branch), loop_branch, {0, 0, 0, 1}, 0},
    {"JumpIfRcxIsZeroTaken", PLACE(rcx_branch), rcx_branch, {0, 0, 0, 0}, 1},
    {"JumpIfRcxIsZeroNotTaken", PLACE(rcx_branch), rcx_branch, {0, 0, 0, 1L << 40}, 0},
    {"JumpIfEcxIsZeroTaken", PLACE(ecx_branch), ecx_branch, {0, 0, 0, 1L << 40}, 1},
    {"JumpIfEcxIsZeroNotTaken", PLACE(ecx_branch), ecx_branch, {0, 0, 0, 1}, 0},
    {"CallReturnsToTheOriginal", PLACE(direct_call), direct_call, {0, 0, 0, 0}, 5},
    {"CallThroughPointer", PLACE(pointer_call), pointer_call, {0, 0, 0, 0}, 6},
    {"FirstOfTwoInstructions", PLACE(register_call), register_call, {0, 0, 0, 0}, 9},
    {"CallThroughRegister", PLACE_AT_SITE(register_call_late), register_call_late, {0, 0, 0, 0}, 14},
    {"JumpAway", PLACE(jump_away), jump_away, {21, 0, 0, 0}, 42},
    {"FunctionShorterThanAJump", PLACE(tiny), tiny, {0, 0, 0, 0}, 3},
    {"SignFlagsAlive", PLACE_AT_SITE(flags_alive), flags_alive, {-5, 3, 0, 0}, 1},
    {"OverflowAlive", PLACE_AT_SITE(flags_alive), flags_alive, {INT64_MIN, 1, 0, 0}, 1},
    {"OverflowAliveOtherWay", PLACE_AT_SITE(flags_alive), flags_alive, {INT64_MAX, -1, 0, 0}, 0},
    {"CarryAlive", PLACE_AT_SITE(carry_alive), carry_alive, {-1, 1, 0, 0}, 3},
    {"NoCarryNoParity", PLACE_AT_SITE(carry_alive), carry_alive, {1, 0, 0, 0}, 0},
    {"DirectionAlive", PLACE_AT_SITE(direction_alive), direction_alive, {0, 0, 0, 0}, 1},
    {"RedZoneAlive", PLACE_AT_SITE(red_zone), red_zone, {40, 2, 0, 0}, 42},
    {"RegistersAlive", PLACE_AT_SITE(registers_alive), registers_alive, {0, 0, 0, 0}, 0},
};

class DisplacedCodeRuns : public testing::TestWithParam<Executed> {};

TEST_P(DisplacedCodeRuns, AsTheOriginalDid) {
  const Executed& row = GetParam();
  const auto call = [&row] {
    return row.function(row.arguments[0], row.arguments[1], row.arguments[2], row.arguments[3]);
  };
  ASSERT_EQ(call(), row.result) << "unhooked";
  const HookedFunction hook(row.place, ProbeKind::kEntry);
  EXPECT_EQ(call(), row.result);
  EXPECT_EQ(hook.count(), 1);
  EXPECT_EQ(hook.last().ip, hook.address());
}
std::string NameOf(const testing::TestParamInfo<Executed>& row) { return row.param.name; }
INSTANTIATE_TEST_SUITE_P(UprobeEngine, DisplacedCodeRuns, testing::ValuesIn(kExecuted), NameOf);

Place PlaceOf(const void* function) { return {function, nullptr, nullptr}; }
template <typename R, typename... A>
Place PlaceOf(R (*function)(A...)) {
  return PlaceOf(reinterpret_cast<const void*>(function));
}

TEST(UprobeEngine, EntryShowsArguments) {
  const HookedFunction hook(PlaceOf(Add), ProbeKind::kEntry);
  EXPECT_EQ(Add(1, 2, 3, 4, 5, 6), 21);
  const PtRegs& regs = hook.last();
  EXPECT_EQ(regs.di, 1U);
  EXPECT_EQ(regs.si, 2U);
  EXPECT_EQ(regs.dx, 3U);
  EXPECT_EQ(regs.cx, 4U);
  EXPECT_EQ(regs.r8, 5U);
  EXPECT_EQ(regs.r9, 6U);
  EXPECT_EQ(regs.ip, hook.address());
  EXPECT_EQ(regs.cs, 0x33U);
  EXPECT_EQ(regs.ss, 0x2bU);
  EXPECT_EQ(regs.sp % 16, 8U);
}

TEST(UprobeEngine, ReturnShowsTheResult) {
  const HookedFunction entry(PLACE(two_results), ProbeKind::kEntry);
  const HookedFunction hook(PLACE(two_results), ProbeKind::kReturn);
  EXPECT_EQ(two_results(77, 88, 0, 0), 77);
  EXPECT_EQ(hook.count(), 1);
  EXPECT_EQ(hook.last().ax, 77U);
  EXPECT_EQ(hook.last().dx, 88U);
  EXPECT_EQ(hook.last().sp, entry.last().sp + 8);
  const auto here = reinterpret_cast<std::uint64_t>(__builtin_extract_return_addr(__builtin_return_address(0)));
  EXPECT_NE(hook.last().ip, here);
  EXPECT_NE(hook.last().ip, hook.address());
}

TEST(UprobeEngine, ReturnKeepsRegistersThatTheFunctionLeavesAlone) {
  const HookedFunction hook(PLACE(two_results), ProbeKind::kReturn);
  EXPECT_EQ(keeps_scratch_registers(0, 0, 0, 0), 1);
  EXPECT_EQ(hook.count(), 1);
}

TEST(UprobeEngine, ReturnGivesTheOriginalAddress) {
  const HookedFunction hook(PLACE(two_results), ProbeKind::kReturn);
  keeps_scratch_registers(0, 0, 0, 0);
  const auto caller = reinterpret_cast<std::uint64_t>(&keeps_scratch_registers);
  EXPECT_GT(hook.last().ip, caller);
  EXPECT_LT(hook.last().ip, reinterpret_cast<std::uint64_t>(keeps_scratch_registers_end));
}

TEST(UprobeEngine, CountsEachRoundOfALoopToTheSite) {
  const HookedFunction hook(PLACE(loop_to_start), ProbeKind::kEntry);
  EXPECT_EQ(loop_to_start(10, 0, 0, 0), 0);
  EXPECT_EQ(hook.count(), 10);
}

TEST(UprobeEngine, FollowsRecursion) {
  const HookedFunction entry(PlaceOf(Fibonacci), ProbeKind::kEntry);
  const HookedFunction exit(PlaceOf(Fibonacci), ProbeKind::kReturn);
  EXPECT_EQ(Fibonacci(15), 610);
  EXPECT_EQ(entry.count(), 1973);
  EXPECT_EQ(exit.count(), 1973);
  EXPECT_EQ(exit.last().ax, 610U);
}

TEST(UprobeEngine, TailCallsReturnForBothFunctions) {
  const HookedFunction first(PLACE(tail_first), ProbeKind::kReturn);
  const HookedFunction second(PLACE(tail_second), ProbeKind::kReturn);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(tail_first(20, 0, 0, 0), 42);
    EXPECT_EQ(first.count(), i);
    EXPECT_EQ(second.count(), i);
  }
  EXPECT_EQ(first.last().ax, 42U);
  EXPECT_EQ(first.last().ip, second.last().ip);
}

// Functions of unknown size have their return address replaced in memory instead of being launched: same result.
TEST(UprobeEngine, ReturnsWithAndWithoutLaunching) {
  for (const Place& place :
       {PLACE(two_results), Place{reinterpret_cast<const void*>(&two_results), nullptr, nullptr}}) {
    const HookedFunction exit(place, ProbeKind::kReturn);
    EXPECT_EQ(two_results(5, 6, 0, 0), 5);
    EXPECT_EQ(keeps_scratch_registers(0, 0, 0, 0), 1);
    EXPECT_EQ(exit.count(), 2);
  }
}

TEST(UprobeEngine, AnEntryProbeMayBecomeBoth) {
  const HookedFunction entry(PLACE(rip_load), ProbeKind::kEntry);
  {
    const HookedFunction exit(PLACE(rip_load), ProbeKind::kReturn);
    EXPECT_EQ(rip_load(1, 0, 0, 0), 1001);
    EXPECT_EQ(exit.count(), 1);
  }
  EXPECT_EQ(rip_load(1, 0, 0, 0), 1001);
  EXPECT_EQ(entry.count(), 2);
}

TEST(UprobeEngine, CountsExactlyOnFourThreads) {
  constexpr int kThreads = 4;
  constexpr long kCalls = 50000;
  const HookedFunction entry(PlaceOf(Add), ProbeKind::kEntry);
  const HookedFunction exit(PlaceOf(Add), ProbeKind::kReturn);
  std::atomic<long> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&wrong] {
      for (long n = 0; n < kCalls; ++n) wrong += Add(n, 1, 2, 3, 4, 5) != n + 15;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(entry.count(), kThreads * kCalls);
  EXPECT_EQ(exit.count(), kThreads * kCalls);
  EXPECT_EQ(exit.missed(), 0);
}

TEST(UprobeEngine, RunsEveryHandlerOfASite) {
  HookedFunction first(PlaceOf(Add), ProbeKind::kEntry);
  const HookedFunction second(PlaceOf(Add), ProbeKind::kEntry);
  Add(1, 2, 3, 4, 5, 6);
  first.Remove();
  Add(1, 2, 3, 4, 5, 6);
  EXPECT_EQ(first.count(), 1);
  EXPECT_EQ(second.count(), 2);
}

std::vector<unsigned char> BytesAt(const void* address) {
  const auto* bytes = static_cast<const unsigned char*>(address);
  return {bytes, bytes + 16};
}

TEST(UprobeEngine, GivesTheBytesBack) {
  const void* place = reinterpret_cast<const void*>(&rip_load);
  const std::vector<unsigned char> original = BytesAt(place);
  HookedFunction hook(PLACE(rip_load), ProbeKind::kEntry);
  EXPECT_NE(BytesAt(place), original);
  hook.Remove();
  EXPECT_EQ(BytesAt(place), original);
  EXPECT_EQ(rip_load(1, 0, 0, 0), 1001);
  EXPECT_EQ(hook.count(), 0);
}

TEST(UprobeEngine, UsesATrampolineAgain) {
  const void* place = reinterpret_cast<const void*>(&rip_load);
  HookedFunction first(PLACE(rip_load), ProbeKind::kEntry);
  const std::vector<unsigned char> hooked = BytesAt(place);
  first.Remove();
  for (int i = 0; i < 1000; ++i) {
    const HookedFunction again(PLACE(rip_load), ProbeKind::kEntry);
    ASSERT_EQ(BytesAt(place), hooked);
  }
}

TEST(UprobeEngine, DetachWhileFunctionsAreStillRunning) {
  HookedFunction exit(PlaceOf(RemovesItsHook), ProbeKind::kReturn);
  removed_inside = &exit;
  EXPECT_EQ(RemovesItsHook(41), 42);
  EXPECT_EQ(exit.count(), 0);
}

TEST(UprobeEngine, LongjmpOverFramesWithReturnProbes) {
  const HookedFunction entry(PlaceOf(Dive), ProbeKind::kEntry);
  const HookedFunction exit(PlaceOf(Dive), ProbeKind::kReturn);
  static int round;  // longjmp leaves locals undefined
  for (round = 0; round < 20000; ++round) {
    if (setjmp(hooked::jump_target) == 0) Dive(round % 40, 1);
  }
  EXPECT_EQ(exit.count(), 0);
  EXPECT_EQ(Dive(100, 0), 100);
  EXPECT_EQ(exit.count(), 101);
  EXPECT_EQ(exit.missed(), 0);
}

// Runs on a thread with much stack of its own.
long OnBigStack(long (*function)()) {
  constexpr std::size_t kStack = std::size_t{64} << 20;
  void* stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, stack, kStack);
  struct Call {
    long (*function)();
    long result;
  } call = {function, -1};
  const auto run = [](void* argument) -> void* {
    auto* made = static_cast<Call*>(argument);
    made->result = made->function();
    return nullptr;
  };
  pthread_t thread;
  EXPECT_EQ(pthread_create(&thread, &attributes, run, &call), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  munmap(stack, kStack);
  return call.result;
}

TEST(UprobeEngine, FollowsDeepRecursion) {
  HookedFunction exit(PlaceOf(Dive), ProbeKind::kReturn);
  EXPECT_EQ(OnBigStack([] { return Dive(200000, 0); }), 200000);
  EXPECT_EQ(exit.missed(), 0);
  EXPECT_EQ(exit.count(), 200001);
}

// A loop of jumps from function to function returns once for all of them; as in the kernel there is a limit.
TEST(UprobeEngine, MissesReturnsOfVeryLongChainsOfTailCalls) {
  const HookedFunction exit(PLACE(tail_loop), ProbeKind::kReturn);
  EXPECT_EQ(tail_loop(50, 0, 0, 0), 50);
  EXPECT_EQ(exit.count(), 51);
  EXPECT_EQ(exit.missed(), 0);
  EXPECT_EQ(tail_loop(100, 0, 0, 0), 100);
  EXPECT_EQ(exit.count(), 51 + 64);
  EXPECT_EQ(exit.missed(), 101 - 64);
}

TEST(UprobeEngine, AnEventInsideOfAHandlerIsMissed) {
  HookedFunction outer(PLACE(rip_load), ProbeKind::kEntry);
  HookedFunction inner(PLACE(two_results), ProbeKind::kEntry);
  HookedFunction inner_exit(PLACE(two_results), ProbeKind::kReturn);
  outer.in_handler = [](void*) { two_results(1, 2, 0, 0); };
  EXPECT_EQ(rip_load(1, 0, 0, 0), 1001);
  EXPECT_EQ(outer.count(), 1);
  EXPECT_EQ(inner.count(), 0);
  EXPECT_EQ(inner.missed(), 1);
  EXPECT_EQ(inner_exit.missed(), 1);
  two_results(1, 2, 0, 0);
  EXPECT_EQ(inner.count(), 1);
  EXPECT_EQ(inner_exit.count(), 1);
}

sigjmp_buf signal_target;

// A signal handler that leaves a program's run for good must not leave the thread deaf.
TEST(UprobeEngine, SiglongjmpOutOfAHandlerEndsIt) {
  struct sigaction action = {};
  action.sa_handler = [](int) { siglongjmp(signal_target, 1); };
  struct sigaction before = {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  HookedFunction hook(PLACE(rip_load), ProbeKind::kEntry);
  hook.in_handler = [](void*) { raise(SIGUSR1); };
  static int round;
  for (round = 0; round < 3; ++round) {
    if (sigsetjmp(signal_target, 1) == 0) rip_load(1, 0, 0, 0);
  }
  hook.in_handler = nullptr;
  EXPECT_EQ(rip_load(1, 0, 0, 0), 1001);
  EXPECT_EQ(hook.count(), 4);
  EXPECT_EQ(hook.missed(), 0);
  sigaction(SIGUSR1, &before, nullptr);
}

TEST(UprobeEngine, RefusesBytesThatAreNotTheFiles) {
  const UprobePlan plan = PlanPlace(PLACE(rip_load), ProbeKind::kEntry).value();
  ProbeRequest request;
  request.plan = &plan;
  request.address = reinterpret_cast<std::uint64_t>(&two_results);
  ApplyProbes(&request, 1);
  EXPECT_EQ(request.probe, nullptr);
  EXPECT_EQ(request.error, ETXTBSY);
  EXPECT_STREQ(request.reason, "the code in memory is not that of the file; something else may have hooked it");
}

TEST(UprobeEngine, RefusesAnAddressWithoutMemory) {
  const UprobePlan plan = PlanPlace(PLACE(rip_load), ProbeKind::kEntry).value();
  ProbeRequest request;
  request.plan = &plan;
  request.address = 0x10000;
  ApplyProbes(&request, 1);
  EXPECT_EQ(request.probe, nullptr);
  EXPECT_EQ(request.error, EINVAL);
}

TEST(UprobeEngine, RefusesADamagedPlan) {
  UprobePlan plan = PlanPlace(PLACE(rip_load), ProbeKind::kEntry).value();
  plan.code_size = kMaxDisplacedCode + 1;
  ProbeRequest request;
  request.plan = &plan;
  request.address = reinterpret_cast<std::uint64_t>(&rip_load);
  ApplyProbes(&request, 1);
  EXPECT_EQ(request.probe, nullptr);
  EXPECT_EQ(rip_load(0, 0, 0, 0), 1000);
}

TEST(UprobeEngine, WorksInAForkedChild) {
  const HookedFunction entry(PlaceOf(Fibonacci), ProbeKind::kEntry);
  const HookedFunction exit(PlaceOf(Fibonacci), ProbeKind::kReturn);
  Fibonacci(5);
  const pid_t child = fork();
  if (child == 0) {
    const bool is_right = Fibonacci(15) == 610 && entry.count() == 15 + 1973 && exit.count() == 15 + 1973;
    _exit(is_right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(entry.count(), 15);
}

// Two coroutines, each suspended within a function that has a return probe, and resumed in another order.
long coroutine_results[2];
void Coroutine(int which) { coroutine_results[which] = Suspended(which); }

void StartCoroutine(int which, std::vector<char>& stack) {
  ucontext_t& context = coroutines[which];
  getcontext(&context);
  context.uc_stack.ss_sp = stack.data();
  context.uc_stack.ss_size = stack.size();
  context.uc_link = &main_context;
  makecontext(&context, reinterpret_cast<void (*)()>(Coroutine), 1, which);
  swapcontext(&main_context, &context);
}

TEST(UprobeEngine, FollowsCoroutines) {
  const HookedFunction exit(PlaceOf(Suspended), ProbeKind::kReturn);
  std::vector<char> stacks[2] = {std::vector<char>(65536), std::vector<char>(65536)};
  StartCoroutine(0, stacks[0]);
  StartCoroutine(1, stacks[1]);
  EXPECT_EQ(exit.count(), 0);
  // The second one goes on in another thread.
  std::thread([] { swapcontext(&main_context, &coroutines[1]); }).join();
  EXPECT_EQ(exit.last().ax, 11U);
  swapcontext(&main_context, &coroutines[0]);
  EXPECT_EQ(exit.last().ax, 10U);
  EXPECT_EQ(exit.count(), 2);
  EXPECT_EQ(coroutine_results[0] + coroutine_results[1], 21);
}

TEST(UprobeEngine, ExceptionsPassThroughFramesWithReturnProbes) {
  // Of known size: launched; of unknown size: replaced in memory.
  for (const void* end : {reinterpret_cast<const void*>(&ThrowAfter), static_cast<const void*>(nullptr)}) {
    const Place place = {reinterpret_cast<const void*>(&ThrowAfter),
                         end == nullptr ? nullptr : static_cast<const char*>(end) + 32, nullptr};
    const HookedFunction exit(place, ProbeKind::kReturn);
    cleaned_up = 0;
    int caught = 0;
    for (int i = 0; i < 100; ++i) {
      try {
        ThrowAfter(i % 5);
      } catch (const std::runtime_error& error) {
        caught += std::string(error.what()) == "from below";
      }
    }
    EXPECT_EQ(caught, 100);
    EXPECT_EQ(cleaned_up, 300);
    EXPECT_EQ(exit.count(), 0);
  }
}

TEST(UprobeEngine, BacktracesGoThroughFramesWithReturnProbes) {
  const long plain = CountFrames(10);
  const HookedFunction exit(PlaceOf(CountFrames), ProbeKind::kReturn);
  EXPECT_GE(CountFrames(10), plain);
  EXPECT_EQ(exit.count(), 11);
}

struct MappingSearch {
  std::uint64_t address;
  Mapping found;
  std::string path;
};

bool FindMapping(const Mapping& mapping, void* argument) {
  auto& search = *static_cast<MappingSearch*>(argument);
  if (search.address < mapping.begin || search.address >= mapping.end) return true;
  search.found = mapping;
  search.path = mapping.path;
  return false;
}

TEST(ModuleMap, FindsAPlaceOfAFile) {
  const auto address = reinterpret_cast<std::uint64_t>(&rip_load);
  MappingSearch search = {address, {}, ""};
  ASSERT_EQ(ForEachMapping(FindMapping, &search), 0);
  EXPECT_TRUE(search.found.is_executable);
  EXPECT_FALSE(search.found.is_writable);
  const ModuleMap modules;
  ASSERT_EQ(modules.error(), 0);
  const std::uint64_t offset = search.found.file_offset + (address - search.found.begin);
  FilePlace place = {search.found.device, search.found.inode, search.path.c_str(), offset};
  std::uint64_t addresses[2] = {};
  ASSERT_EQ(modules.Find(place, addresses, 2), 1U);
  EXPECT_EQ(addresses[0], address);
  // Another device, as btrfs shows it: the path does not help, since stat tells another one again.
  place.device ^= 1;
  EXPECT_EQ(modules.Find(place, addresses, 2), 0U);
}

TEST(ModuleMap, FindsNothingForAFileThatIsNotMapped) {
  const ModuleMap modules;
  std::uint64_t address = 0;
  EXPECT_EQ(modules.Find({1, 1, "/nowhere", 0x1000}, &address, 1), 0U);
}

}  // namespace
}  // namespace strata::attach
