#include "strata/backend/userspace/runtime/spin_lock.h"

#include <atomic>
#include <thread>
#include <vector>

#include "session_fixture.h"
#include "strata/backend/userspace/runtime/helpers/table.h"

namespace strata::runtime {
namespace {

class SpinLockTest : public RuntimeTest {
 protected:
  // A map with one value {lock, padding, number}.
  MapView& MakeLockedMap(MapType type) {
    MapAttributes attributes;
    attributes.type = type;
    attributes.key_size = 4;
    attributes.value_size = 16;
    attributes.max_entries = 1;
    attributes.spin_lock_offset = 0;
    return MakeMap(attributes);
  }
  static std::uint32_t* LockOf(MapView& map) {
    const std::uint32_t key = 0;
    return static_cast<std::uint32_t*>(map.ops->lookup(map, &key, 0));
  }
  static void Call(std::uint32_t helper, std::uint32_t* lock, RunContext* run) {
    FindHelper(helper)(reinterpret_cast<std::uint64_t>(lock), 0, 0, 0, 0, run);
  }
  static constexpr std::uint32_t kLock = 93;
  static constexpr std::uint32_t kUnlock = 94;
};

TEST_F(SpinLockTest, IsTakenAndDroppedByARun) {
  std::uint32_t* lock = LockOf(MakeLockedMap(MapType::kArray));
  RunContext run;
  run.process = &process();
  Call(kLock, lock, &run);
  EXPECT_EQ(run.held_lock, lock);
  EXPECT_NE(*lock, 0U);
  EXPECT_GE(run.budget, 0);
  Call(kUnlock, lock, &run);
  EXPECT_EQ(run.held_lock, nullptr);
  EXPECT_EQ(*lock, 0U);
}

TEST_F(SpinLockTest, ARunInsideOfTheHoldersEndsAtOnce) {
  std::uint32_t* lock = LockOf(MakeLockedMap(MapType::kArray));
  RunContext holder;
  holder.process = &process();
  Call(kLock, lock, &holder);
  RunContext handler;  // of a signal that came between
  handler.process = &process();
  Call(kLock, lock, &handler);
  EXPECT_LT(handler.budget, 0);
  EXPECT_EQ(handler.flags & run_flags::kMissed, run_flags::kMissed);
  EXPECT_EQ(handler.held_lock, nullptr);
  EXPECT_EQ(holder.held_lock, lock);
}

TEST_F(SpinLockTest, IsTakenOverFromTheDead) {
  std::uint32_t* lock = LockOf(MakeLockedMap(MapType::kArray));
  RunAndKill([&](const std::function<void()>& die) {
    TakeSpinLock(process(), lock, CurrentOwner(process()));
    die();
  });
  ASSERT_NE(*lock, 0U);
  EXPECT_TRUE(TakeSpinLock(process(), lock, CurrentOwner(process())));
}

TEST_F(SpinLockTest, ALivingHolderThatKeepsItMakesOthersGiveUp) {
  MapView& map = MakeLockedMap(MapType::kArray);
  std::atomic<int> step{0};
  std::thread holder([&] {
    EXPECT_TRUE(TakeSpinLock(process(), LockOf(map), CurrentOwner(process())));
    step = 1;
    while (step == 1) std::this_thread::yield();
    DropSpinLock(LockOf(map));
  });
  while (step == 0) std::this_thread::yield();
  EXPECT_FALSE(TakeSpinLock(process(), LockOf(map), CurrentOwner(process())));
  const std::uint32_t key = 0;
  const std::uint64_t value[2] = {0, 5};
  EXPECT_EQ(map.ops->copy_in(map, &key, value, kUpdateWithLock), -EBUSY);
  EXPECT_EQ(map.ops->copy_in(map, &key, value, 0), 0) << "who does not ask for the lock does not wait";
  step = 2;
  holder.join();
  EXPECT_EQ(map.ops->copy_in(map, &key, value, kUpdateWithLock), 0);
}

TEST_F(SpinLockTest, ItsBytesStayInTheMapAndAreZeroOutside) {
  for (const MapType type : {MapType::kArray, MapType::kHash}) {
    MapView& map = MakeLockedMap(type);
    const std::uint32_t key = 0;
    const std::uint64_t written[2] = {0x1111111122222222, 5};
    ASSERT_EQ(map.ops->copy_in(map, &key, written, 0), 0);
    EXPECT_EQ(*LockOf(map), 0U) << "a new value's lock is free";
    *LockOf(map) = 77;
    ASSERT_EQ(map.ops->copy_in(map, &key, written, 0), 0);
    EXPECT_EQ(*LockOf(map), 77U);
    std::uint64_t read[2] = {~std::uint64_t{0}, 0};
    ASSERT_EQ(map.ops->copy_out(map, &key, read, 0), 0);
    EXPECT_EQ(read[0], 0x1111111100000000U);
    EXPECT_EQ(read[1], 5U);
    *LockOf(map) = 0;
  }
}

}  // namespace
}  // namespace strata::runtime
