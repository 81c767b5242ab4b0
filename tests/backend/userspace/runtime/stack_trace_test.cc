#include <atomic>
#include <thread>
#include <vector>

#include "killed_at.h"
#include "session_fixture.h"
#include "strata/backend/userspace/runtime/owner_lock.h"
#include "strata/backend/userspace/runtime/stack_capture.h"
#include "strata/backend/userspace/runtime/stack_trace_map.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kFrames = 8;

class StackTraceTest : public RuntimeTest {
 protected:
  MapView& MakeStacks(std::uint32_t max_entries) { return MakeMap(MapType::kStackTrace, 4, kFrames * 8, max_entries); }
  static std::vector<std::uint64_t> Stack(std::uint64_t first, std::uint32_t count) {
    std::vector<std::uint64_t> frames(count);
    for (std::uint32_t i = 0; i < count; ++i) frames[i] = first + i;
    return frames;
  }
  static long Store(MapView& map, const std::vector<std::uint64_t>& frames, std::uint64_t flags = 0) {
    return StoreStack(map, frames.data(), static_cast<std::uint32_t>(frames.size()), flags);
  }
  static std::vector<std::uint64_t> Read(MapView& map, std::uint32_t id) {
    std::vector<std::uint64_t> frames(kFrames);
    return map.ops->copy_out(map, &id, frames.data(), 0) == 0 ? frames : std::vector<std::uint64_t>();
  }
};

TEST_F(StackTraceTest, AnotherStackReplacesTheOldOneOnlyWithReuse) {
  MapView& map = MakeStacks(1);
  EXPECT_EQ(Store(map, Stack(100, 3)), 0);
  EXPECT_EQ(Store(map, Stack(100, 3)), 0);
  EXPECT_EQ(Store(map, Stack(200, 2)), -EEXIST);
  EXPECT_EQ(Store(map, Stack(200, 2), kStackReuseId), 0);
  EXPECT_EQ(Read(map, 0), (std::vector<std::uint64_t>{200, 201, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(Store(map, Stack(0, 0)), -EFAULT);
}

TEST_F(StackTraceTest, AStoreKilledAnywhereLeavesAWholeStackOrNone) {
  MapView& map = MakeStacks(1);
  const std::vector<std::uint64_t> before = Stack(100, kFrames);
  const std::vector<std::uint64_t> after = Stack(200, kFrames);
  const std::uint32_t id = 0;
  const auto prepare = [&] {
    map.ops->erase(map, &id);
    ASSERT_EQ(Store(map, before), 0);
  };
  const int killed = KilledAtEachInstruction(
      prepare, [&] { Store(map, after, kStackReuseId); },
      [&](int step) {
        SCOPED_TRACE(step);
        const auto read = Read(map, 0);
        ASSERT_TRUE(read.empty() || read == before || read == after);
        ASSERT_EQ(Store(map, after, kStackReuseId), 0);
        ASSERT_EQ(Read(map, 0), after);
      });
  EXPECT_GT(killed, 100);
}

TEST_F(StackTraceTest, StacksThatReplaceOneAnotherAreNeverMixed) {
  MapView& map = MakeStacks(1);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (std::uint64_t i = 0; !stop.load(); ++i) Store(map, Stack(1000 * (i % 50 + 1), kFrames), kStackReuseId);
  });
  while (Read(map, 0).empty()) std::this_thread::yield();
  int whole = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto frames = Read(map, 0);
    if (frames.empty()) continue;
    ++whole;
    ASSERT_EQ(frames, Stack(frames[0], kFrames));
  }
  stop.store(true);
  writer.join();
  EXPECT_GT(whole, 0);
}

TEST_F(StackTraceTest, ACountThatAPeerMadeUpStaysInside) {
  MapView& map = MakeStacks(1);
  ASSERT_EQ(Store(map, Stack(100, 2)), 0);
  std::memset(map.table + 12, 0xff, 4);
  EXPECT_EQ(Read(map, 0).size(), kFrames);
  EXPECT_EQ(Store(map, Stack(100, 2)), -EEXIST);
}

TEST_F(StackTraceTest, AChainOfFramePointersThatLeadsNowhereEnds) {
  std::uint64_t registers[21] = {};
  std::uint64_t frames[16];
  registers[16] = 0x401000;  // ip
  for (const std::uint64_t pointer :
       {std::uint64_t{8}, ~std::uint64_t{15}, reinterpret_cast<std::uint64_t>(registers)}) {
    registers[4] = pointer;
    registers[19] = pointer;
    EXPECT_EQ(CaptureUserStack(process(), registers, 0, frames, 16), 1U);
  }
  std::uint64_t self[2] = {reinterpret_cast<std::uint64_t>(self), 0x402000};  // a circle
  registers[4] = registers[19] = reinterpret_cast<std::uint64_t>(self);
  EXPECT_EQ(CaptureUserStack(process(), registers, 0, frames, 16), 2U);
  EXPECT_EQ(CaptureUserStack(process(), registers, 1, frames, 16), 1U);
  EXPECT_EQ(frames[0], 0x402000U);
}

}  // namespace
}  // namespace strata::runtime
