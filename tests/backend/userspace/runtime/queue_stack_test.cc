#include <atomic>
#include <thread>

#include "killed_at.h"
#include "session_fixture.h"
#include "strata/backend/userspace/runtime/owner_lock.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kReplace = 2;  // BPF_EXIST

struct Value {
  std::uint64_t words[4];
};
Value ValueOf(std::uint64_t number) { return {{number, ~number, number * 3, number ^ 0x55}}; }
bool IsWhole(const Value& value) {
  return value.words[1] == ~value.words[0] && value.words[2] == value.words[0] * 3 &&
         value.words[3] == (value.words[0] ^ 0x55);
}

class QueueStackTest : public RuntimeTest {
 protected:
  static long Push(MapView& map, std::uint64_t number, std::uint64_t flags = 0) {
    const Value value = ValueOf(number);
    return map.ops->push(map, &value, flags);
  }
  // The number of the value, or a negative errno.
  static long Pop(MapView& map) {
    Value value;
    const long error = map.ops->pop(map, &value);
    EXPECT_TRUE(error != 0 || IsWhole(value));
    return error != 0 ? error : static_cast<long>(value.words[0]);
  }
};

TEST_F(QueueStackTest, ReentryOnTheSameThreadIsBusyAtOnce) {
  MapView& queue = MakeMap(MapType::kQueue, 0, sizeof(Value), 2);
  ASSERT_EQ(Push(queue, 1), 0);
  OwnerWord* lock = &queue.header->kind_state[0];
  ASSERT_EQ(Take(process(), lock, CurrentOwner(process())), Taken::kFree);
  EXPECT_EQ(Push(queue, 2), -EBUSY);
  EXPECT_EQ(Pop(queue), -EBUSY);
  Drop(lock);
  EXPECT_EQ(Pop(queue), 1);
}

TEST_F(QueueStackTest, APushKilledAnywhereHappensAsAWholeOrNotAtAll) {
  MapView& queue = MakeMap(MapType::kQueue, 0, sizeof(Value), 3);
  const auto prepare = [&] {
    while (Pop(queue) >= 0) {
    }
    for (std::uint64_t number = 1; number <= 3; ++number) ASSERT_EQ(Push(queue, number), 0);
  };
  // The queue is full: the oldest value makes room.
  const int killed = KilledAtEachInstruction(
      prepare, [&] { Push(queue, 4, kReplace); },
      [&](int step) {
        const long first = Pop(queue);
        ASSERT_TRUE(first == 1 || first == 2) << "step " << step;
        for (long number = first + 1; number <= first + 2; ++number) ASSERT_EQ(Pop(queue), number) << "step " << step;
        ASSERT_EQ(Pop(queue), -ENOENT) << "step " << step;
      });
  EXPECT_GT(killed, 20);
}

TEST_F(QueueStackTest, APopKilledAnywhereHappensAsAWholeOrNotAtAll) {
  for (const MapType type : {MapType::kQueue, MapType::kStack}) {
    MapView& map = MakeMap(type, 0, sizeof(Value), 2);
    const auto prepare = [&] {
      while (Pop(map) >= 0) {
      }
      ASSERT_EQ(Push(map, 1), 0);
      ASSERT_EQ(Push(map, 2), 0);
    };
    const long taken = type == MapType::kQueue ? 1 : 2;
    const int killed = KilledAtEachInstruction(
        prepare, [&] { Pop(map); },
        [&](int step) {
          long next = Pop(map);
          if (next == taken) next = Pop(map);
          ASSERT_EQ(next, 3 - taken) << "step " << step;
          ASSERT_EQ(Pop(map), -ENOENT) << "step " << step;
        });
    EXPECT_GT(killed, 20);
  }
}

TEST_F(QueueStackTest, EachValueIsTakenOnceByOneOfManyThreads) {
  MapView& queue = MakeMap(MapType::kQueue, 0, sizeof(Value), 16);
  constexpr std::uint64_t kValues = 20'000;
  std::atomic<std::uint64_t> sum{0};
  std::atomic<std::uint64_t> count{0};
  const auto produce = [&](std::uint64_t first) {
    for (std::uint64_t number = first; number < kValues; number += 2) {
      while (Push(queue, number) != 0) std::this_thread::yield();
    }
  };
  const auto consume = [&] {
    while (count.load() < kValues) {
      const long number = Pop(queue);
      if (number < 0) {
        std::this_thread::yield();
        continue;
      }
      sum += static_cast<std::uint64_t>(number);
      ++count;
    }
  };
  std::thread threads[] = {std::thread(produce, 0), std::thread(produce, 1), std::thread(consume),
                           std::thread(consume)};
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum.load(), kValues * (kValues - 1) / 2);
  EXPECT_EQ(Pop(queue), -ENOENT);
}

TEST_F(QueueStackTest, EndsThatAPeerMadeUpStayInside) {
  MapView& stack = MakeMap(MapType::kStack, 0, 8, 4);
  stack.header->kind_state[1] = 0xfffffff0'7fffffffULL;
  std::uint64_t value = 0;
  EXPECT_EQ(stack.ops->pop(stack, &value), -ENOENT);
  value = 5;
  EXPECT_EQ(stack.ops->push(stack, &value, 0), 0);
  EXPECT_EQ(stack.ops->pop(stack, &value), 0);
  EXPECT_EQ(value, 5U);
}

}  // namespace
}  // namespace strata::runtime
