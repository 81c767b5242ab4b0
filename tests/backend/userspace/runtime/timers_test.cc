#include "strata/backend/userspace/runtime/timers.h"

#include <time.h>

#include <cerrno>
#include <random>

#include "session_fixture.h"
#include "strata/backend/userspace/runtime/helpers/table.h"
#include "strata/backend/userspace/runtime/program_instance.h"

namespace strata::runtime {
namespace {

struct Value {
  std::uint64_t number;
  std::uint64_t timer[2];
};

constexpr std::uint32_t kSetCallback = 7;  // any program and function: nothing here runs them

class TimersTest : public RuntimeTest {
 protected:
  MapView& MakeTimedMap(MapType type, std::uint32_t max_entries) {
    MapAttributes attributes;
    attributes.type = type;
    attributes.key_size = 4;
    attributes.value_size = sizeof(Value);
    attributes.max_entries = max_entries;
    attributes.possible_cpus = kTestSlots;
    attributes.timer_offset = offsetof(Value, timer);
    return MakeMap(attributes);
  }
  static Value* Find(MapView& map, std::uint32_t key) { return static_cast<Value*>(map.ops->lookup(map, &key, 0)); }
  static Value* Insert(MapView& map, std::uint32_t key) {
    const Value value{};
    EXPECT_EQ(map.ops->update(map, &key, &value, 0, 0), 0);
    return Find(map, key);
  }
  static long Start(MapView& map, Value* value, std::uint64_t nanoseconds) {
    if (const long error = InitializeTimer(map, value->timer, CLOCK_MONOTONIC); error != 0) return error;
    EXPECT_EQ(SetTimerCallback(map, value->timer, 1, kSetCallback), 0);
    return StartTimer(map, value->timer, nanoseconds, 0);
  }
};

TEST_F(TimersTest, AreRefusedOnceNobodyServesThem) {
  MapView& map = MakeTimedMap(MapType::kArray, 2);
  EXPECT_EQ(Start(map, Find(map, 0), 1), -EPERM);
  BeginServing(map);
  EXPECT_EQ(Start(map, Find(map, 0), 1'000'000'000), 0);
  EndServing(map);
  EXPECT_EQ(StartTimer(map, Find(map, 0)->timer, 1, 0), -EINVAL) << "the end frees all timers";
  EXPECT_EQ(InitializeTimer(map, Find(map, 0)->timer, CLOCK_MONOTONIC), -EPERM);
  EXPECT_EQ(InitializeTimer(map, Find(map, 1)->timer, CLOCK_MONOTONIC), -EPERM);
}

TEST_F(TimersTest, DueOnesAreTakenOnceWithTheirElement) {
  MapView& map = MakeTimedMap(MapType::kHash, 8);
  BeginServing(map);
  ASSERT_EQ(Start(map, Insert(map, 42), 0), 0);
  DueTimer due;
  std::uint64_t wait_ns = 0;
  ASSERT_TRUE(TakeDueTimer(map, 0, &due, &wait_ns));
  EXPECT_EQ(*static_cast<const std::uint32_t*>(due.key), 42U);
  EXPECT_EQ(due.value, Find(map, 42));
  EXPECT_EQ(due.function, kSetCallback);
  EXPECT_EQ(CancelTimer(map, Find(map, 42)->timer), -EDEADLK) << "this thread runs the callback";
  FinishTimer(map, due);
  EXPECT_EQ(CancelTimer(map, Find(map, 42)->timer), 0);
  EXPECT_FALSE(TakeDueTimer(map, 0, &due, &wait_ns));
  EXPECT_EQ(wait_ns, kNever);
}

TEST_F(TimersTest, TheNearestOneTellsHowLongToWait) {
  MapView& map = MakeTimedMap(MapType::kArray, 3);
  BeginServing(map);
  ASSERT_EQ(Start(map, Find(map, 0), 3'600'000'000'000), 0);
  ASSERT_EQ(Start(map, Find(map, 1), 60'000'000'000), 0);
  ASSERT_EQ(Start(map, Find(map, 2), kNever), 0) << "saturates";
  DueTimer due;
  std::uint64_t wait_ns = 0;
  EXPECT_FALSE(TakeDueTimer(map, 0, &due, &wait_ns));
  EXPECT_LE(wait_ns, 60'000'000'000U);
  EXPECT_GT(wait_ns, 0U);
  const std::uint32_t seen = TimersOf(map).wake_word;
  EXPECT_EQ(StartTimer(map, Find(map, 0)->timer, 7'200'000'000'000, 0), 0);
  EXPECT_EQ(TimersOf(map).wake_word, seen) << "a later one wakes nobody";
  EXPECT_EQ(StartTimer(map, Find(map, 0)->timer, 1'000'000, 0), 0);
  EXPECT_NE(TimersOf(map).wake_word, seen);
}

TEST_F(TimersTest, OneThatIsAlwaysDueDoesNotHoldUpOthers) {
  MapView& map = MakeTimedMap(MapType::kArray, 3);
  BeginServing(map);
  for (std::uint32_t key = 0; key < 3; ++key) ASSERT_EQ(Start(map, Find(map, key), 0), 0);
  std::vector<std::uint32_t> served;
  DueTimer due{};
  std::uint64_t wait_ns = 0;
  for (std::uint32_t next = 0; served.size() < 5; next = due.entry + 1) {
    ASSERT_TRUE(TakeDueTimer(map, next, &due, &wait_ns));
    served.push_back(due.index);
    FinishTimer(map, due);
    if (due.index == 0) {
      EXPECT_EQ(StartTimer(map, Find(map, 0)->timer, 0, 0), 0);
    }
  }
  EXPECT_THAT(served, ::testing::ElementsAre(0, 1, 2, 0, 0));
}

TEST_F(TimersTest, ValuesThatAreWrittenOverLoseThem) {
  for (const MapType type : {MapType::kArray, MapType::kHash}) {
    MapView& map = MakeTimedMap(type, 4);
    BeginServing(map);
    Value* value = Insert(map, 1);
    ASSERT_EQ(Start(map, value, 0), 0);
    Value seen{};
    const std::uint32_t key = 1;
    EXPECT_EQ(map.ops->copy_out(map, &key, &seen, 0), 0);
    EXPECT_THAT(seen.timer, ::testing::Each(0U)) << "user space sees none";
    const Value written{5, {value->timer[0], 0}};
    EXPECT_EQ(map.ops->copy_in(map, &key, &written, 0), 0);
    EXPECT_EQ(Find(map, 1)->number, 5U);
    DueTimer due;
    std::uint64_t wait_ns = 0;
    EXPECT_FALSE(TakeDueTimer(map, 0, &due, &wait_ns));
    EXPECT_EQ(InitializeTimer(map, Find(map, 1)->timer, CLOCK_MONOTONIC), 0) << "it may have another one";
  }
}

// Elements that vanish without an operation that knows of timers: eviction, or a deleter that was killed half-way.
TEST_F(TimersTest, EntriesOfLostElementsAreTakenAgain) {
  MapView& map = MakeTimedMap(MapType::kHash, 4);
  const MapOps& untimed = *FindMapKind(MapType::kHash)->ops;
  BeginServing(map);
  for (std::uint32_t key = 0; key < 100; ++key) {
    ASSERT_EQ(Start(map, Insert(map, key), 0), 0) << key;
    ASSERT_EQ(untimed.erase(map, &key), 0);
  }
  DueTimer due;
  std::uint64_t wait_ns = 0;
  EXPECT_FALSE(TakeDueTimer(map, 0, &due, &wait_ns)) << "none of them is called";
}

TEST_F(TimersTest, OneThatAKilledProcessSetIsServed) {
  MapView& map = MakeTimedMap(MapType::kArray, 4);
  BeginServing(map);
  RunAndKill([&](const auto& die) {
    if (Start(map, Find(map, 3), 0) == 0) die();
  });
  DueTimer due;
  std::uint64_t wait_ns = 0;
  ASSERT_TRUE(TakeDueTimer(map, 0, &due, &wait_ns));
  EXPECT_EQ(due.index, 3U);
  EXPECT_EQ(due.value, Find(map, 3));
}

TEST_F(TimersTest, GarbageOfAPeerLeadsNowhereOutside) {
  for (const MapType type : {MapType::kArray, MapType::kHash}) {
    MapView& map = MakeTimedMap(type, 8);
    const auto* begin = map.mapping;
    const auto* end = reinterpret_cast<const std::byte*>(&TimersOf(map));
    std::mt19937_64 random(1);
    for (std::uint32_t key = 0; key < 8; ++key) Insert(map, key);
    for (int round = 0; round < 2000; ++round) {
      BeginServing(map);
      auto* words = reinterpret_cast<std::uint64_t*>(&TimersOf(map));
      // Small numbers are the likelier offsets and positions.
      for (int i = 0; i < 40; ++i) words[random() % (9 * 8)] = random() >> (random() % 64);
      for (std::uint32_t key = 0; key < 8; ++key) Find(map, key)->timer[0] = random() >> (random() % 64);
      DueTimer due;
      std::uint64_t wait_ns = 0;
      for (int i = 0; i < 16 && TakeDueTimer(map, 0, &due, &wait_ns); ++i) {
        EXPECT_GE(static_cast<std::byte*>(due.value), begin);
        EXPECT_LE(static_cast<std::byte*>(due.value) + sizeof(Value), end);
        FinishTimer(map, due);
      }
      Start(map, Find(map, round % 8), 0);
      CancelTimer(map, Find(map, round % 8)->timer);
      EndServing(map);
    }
  }
}

TEST_F(TimersTest, OnlySomeKindsHaveThem) {
  MapAttributes attributes{MapType::kPerCpuArray, 4, sizeof(Value), 4};
  attributes.timer_offset = offsetof(Value, timer);
  MapGeometry geometry;
  EXPECT_EQ(ComputeGeometry(attributes, &geometry), -EOPNOTSUPP);
  attributes.type = MapType::kHash;
  EXPECT_EQ(ComputeGeometry(attributes, &geometry), 0);
  attributes.flags = strata::map_flags::kReadOnlyProgram;
  EXPECT_EQ(ComputeGeometry(attributes, &geometry), -EACCES);
}

TEST_F(TimersTest, HelpersRefuseAddressesThatAreNoTimers) {
  MapView& map = MakeTimedMap(MapType::kArray, 2);
  BeginServing(map);
  MapView* maps[] = {&map};
  ProgramInstance program{};
  program.maps = maps;
  program.map_count = 1;
  RunContext run;
  run.process = &process();
  run.program = &program;
  std::uint64_t elsewhere[2] = {};
  const auto address = [](const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); };
  const auto call = [&](std::uint32_t helper, std::uint64_t first, std::uint64_t second) {
    return static_cast<std::int64_t>(FindHelper(helper)(first, second, CLOCK_MONOTONIC, 0, 0, &run));
  };
  EXPECT_EQ(call(169, address(elsewhere), address(&map)), -EINVAL);
  EXPECT_EQ(call(169, address(Find(map, 0)->timer) + 4, address(&map)), -EINVAL);
  EXPECT_EQ(call(171, address(elsewhere), 0), -EINVAL);
  EXPECT_EQ(call(172, address(elsewhere), 0), -EINVAL);
  EXPECT_EQ(call(169, address(Find(map, 0)->timer), address(&map)), 0);
  program.map_count = 0;
  EXPECT_EQ(call(172, address(Find(map, 0)->timer), 0), -EINVAL) << "a timer of a map that the program has not";
}

}  // namespace
}  // namespace strata::runtime
