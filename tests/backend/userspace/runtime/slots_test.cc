#include "strata/backend/userspace/runtime/slots.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "session_fixture.h"

namespace strata::runtime {
namespace {

class SlotsTest : public RuntimeTest {};

TEST_F(SlotsTest, NestedLeasesOfOneThreadGetDifferentSlots) {
  std::set<std::uint32_t> slots;
  for (std::uint32_t i = 0; i < kTestSlots; ++i) slots.insert(LeaseSlot(process()));
  EXPECT_EQ(slots.size(), kTestSlots);
  EXPECT_FALSE(slots.contains(kNoSlot));
  EXPECT_EQ(LeaseSlot(process()), kNoSlot) << "all are taken, by a thread that lives";
  ReleaseSlot(process(), 2);
  EXPECT_EQ(LeaseSlot(process()), 2U);
}

TEST_F(SlotsTest, TheFirstGuessIsTheCurrentCpu) {
  const std::uint32_t cpu = CurrentCpu(process());
  const std::uint32_t slot = LeaseSlot(process());
  if (CurrentCpu(process()) == cpu) {
    EXPECT_EQ(slot, cpu % kTestSlots);
  }
  EXPECT_LT(slot, kTestSlots);
}

TEST_F(SlotsTest, BothWaysToTheCpusNumberAgree) {
  if (!process().has_rdpid) GTEST_SKIP() << "this processor has no RDPID";
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(::sched_getcpu(), &one);
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(before), &before), 0);
  ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
  const std::uint32_t fast = CurrentCpu(process());
  process().has_rdpid = false;
  EXPECT_EQ(CurrentCpu(process()), fast);
  EXPECT_EQ(static_cast<int>(fast), ::sched_getcpu());
  EXPECT_EQ(::sched_setaffinity(0, sizeof(before), &before), 0);
}

TEST_F(SlotsTest, ADeadHoldersSlotsAreTakenOver) {
  RunAndKill([&](const std::function<void()>& die) {
    for (std::uint32_t i = 0; i < kTestSlots; ++i) LeaseSlot(process());
    die();
  });
  for (std::uint32_t i = 0; i < kTestSlots; ++i) EXPECT_NE(LeaseSlot(process()), kNoSlot);
}

TEST_F(SlotsTest, AHolderThatNobodyHasWaitedForIsDeadToo) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (std::uint32_t i = 0; i < kTestSlots; ++i) LeaseSlot(process());
    ::_exit(0);
  }
  siginfo_t info;
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);  // a zombie from here on
  EXPECT_NE(LeaseSlot(process()), kNoSlot);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(SlotsTest, AHolderOfAnotherPidNamespaceIsLeftAlone) {
  const OwnerWord foreign = CurrentOwner(process()) ^ (OwnerWord{1} << 50) ^ 0x3fffff;
  EXPECT_FALSE(IsOwnerDead(process(), foreign));
  for (std::uint32_t i = 0; i < kTestSlots; ++i) process().slots[i].owner = foreign;
  EXPECT_EQ(LeaseSlot(process()), kNoSlot);
}

// The point of it all: plain increments under a lease, more threads than slots.
TEST_F(SlotsTest, PlainIncrementsUnderALeaseAreExact) {
  MapView& map = MakeMap(MapType::kPerCpuArray, 4, 8, 1);
  constexpr std::uint64_t kRuns = 20000;
  std::atomic<std::uint64_t> missed{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < kRuns; ++i) {
        const std::uint32_t slot = LeaseSlot(process());
        if (slot == kNoSlot) {
          ++missed;
          continue;
        }
        const std::uint32_t key = 0;
        auto* count = static_cast<std::uint64_t*>(map.ops->lookup(map, &key, slot));
        const std::uint64_t seen = __atomic_load_n(count, __ATOMIC_RELAXED);
        if (i % 64 == 0) std::this_thread::yield();  // preempted half-way
        __atomic_store_n(count, seen + 1, __ATOMIC_RELAXED);
        ReleaseSlot(process(), slot);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::uint32_t key = 0;
  std::uint64_t values[kTestSlots];
  ASSERT_EQ(map.ops->copy_out(map, &key, values, 0), 0);
  std::uint64_t sum = 0;
  for (const std::uint64_t value : values) sum += value;
  EXPECT_EQ(sum + missed.load(), 8 * kRuns);
}

TEST_F(SlotsTest, IdsAreRightInThreadsAndAfterFork) {
  const ThreadIds own = CurrentIds(process());
  EXPECT_EQ(own.pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(own.tid, static_cast<std::uint32_t>(::gettid()));
  std::thread([&] {
    EXPECT_EQ(CurrentIds(process()).tid, static_cast<std::uint32_t>(::gettid()));
    EXPECT_NE(CurrentIds(process()).tid, own.tid);
  }).join();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const ThreadIds ids = CurrentIds(process());
    const bool is_right =
        ids.pid == static_cast<std::uint32_t>(::getpid()) && ids.tid == static_cast<std::uint32_t>(::gettid());
    ::_exit(is_right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace strata::runtime
