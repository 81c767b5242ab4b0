// Queues and stacks, from user space and in programs.
#include "map_kinds_fixture.h"

namespace strata {
namespace {

using namespace strata::testing;       // NOLINT: its helpers are this file's vocabulary
constexpr std::uint64_t kReplace = 2;  // BPF_EXIST

template <typename T>
class QueueStackTest : public MapKindsTest<T> {};
TYPED_TEST_SUITE(QueueStackTest, BackendKinds, BackendNames);

TYPED_TEST(QueueStackTest, QueuesGiveTheOldestValueFirst) {
  auto queue = Queue<std::uint64_t>::From(this->CreateMap(MapType::kQueue, 0, 8, 2)).value();
  EXPECT_FALSE(queue.Peek()->has_value());
  ASSERT_TRUE(queue.Push(1));
  ASSERT_TRUE(queue.Push(2));
  EXPECT_EQ(queue.Push(3).error().code(), ErrorCode::kMapFull);
  ASSERT_TRUE(queue.Push(3, UpdateMode::kExist)) << "1 makes room";
  EXPECT_EQ(**queue.Peek(), 2U);
  EXPECT_EQ(**queue.Pop(), 2U);
  EXPECT_EQ(**queue.Pop(), 3U);
  EXPECT_FALSE(queue.Pop()->has_value());
}

TYPED_TEST(QueueStackTest, StacksGiveTheNewestValueFirst) {
  auto stack = Stack<std::uint32_t>::From(this->CreateMap(MapType::kStack, 0, 4, 2)).value();
  ASSERT_TRUE(stack.Push(1));
  ASSERT_TRUE(stack.Push(2));
  ASSERT_TRUE(stack.Push(3, UpdateMode::kExist)) << "1 makes room";
  EXPECT_EQ(**stack.Peek(), 3U);
  EXPECT_EQ(**stack.Pop(), 3U);
  EXPECT_EQ(**stack.Pop(), 2U);
  EXPECT_FALSE(stack.Pop()->has_value());
}

TYPED_TEST(QueueStackTest, FlagsAreTheKernels) {
  for (const MapType type : {MapType::kQueue, MapType::kStack}) {
    Map map = this->CreateMap(type, 0, 8, 1);
    std::uint64_t value = 7;
    EXPECT_EQ(ErrnoOf(map.Update({}, Bytes(value), UpdateMode::kNoExist)), EINVAL);
    EXPECT_EQ(ErrnoOf(map.Update({}, Bytes(value), static_cast<UpdateMode>(3))), EINVAL);
    EXPECT_EQ(ErrnoOf(map.Update({}, Bytes(value), UpdateMode::kLock)), EINVAL);
    EXPECT_EQ(ErrnoOf(map.Update({}, Bytes(value), UpdateMode::kExist)), 0);
    EXPECT_EQ(ErrnoOf(map.Update({}, Bytes(value))), E2BIG);
    EXPECT_EQ(ErrnoOf(map.Lookup({}, Writable(value), LookupMode::kLock)), EINVAL);
    EXPECT_EQ(ErrnoOf(map.LookupAndDelete({}, Writable(value), LookupMode::kLock)), EINVAL);
  }
}

TYPED_TEST(QueueStackTest, ThereAreNoKeysToDeleteOrIterateOver) {
  for (const MapType type : {MapType::kQueue, MapType::kStack}) {
    Map map = this->CreateMap(type, 0, 8, 1);
    EXPECT_EQ(ErrnoOf(map.Delete({})), EINVAL);
    EXPECT_EQ(ErrnoOf(map.backend_map()->NextKey(std::nullopt, {})), EINVAL);
  }
}

TYPED_TEST(QueueStackTest, AccessIsThatOfTheMap) {
  std::uint64_t value = 7;
  Map read_only = this->CreateMap(MapType::kQueue, 0, 8, 1, map_flags::kReadOnly);
  EXPECT_EQ(ErrnoOf(read_only.Update({}, Bytes(value))), EPERM);
  EXPECT_EQ(ErrnoOf(read_only.Lookup({}, Writable(value))), ENOENT);
  EXPECT_EQ(ErrnoOf(read_only.LookupAndDelete({}, Writable(value))), EPERM);
  Map write_only = this->CreateMap(MapType::kStack, 0, 8, 1, map_flags::kWriteOnly);
  EXPECT_EQ(ErrnoOf(write_only.Update({}, Bytes(value))), 0);
  EXPECT_EQ(ErrnoOf(write_only.Lookup({}, Writable(value))), EPERM);
}

TYPED_TEST(QueueStackTest, ProgramsPushPopAndPeek) {
  this->LoadObjects(STRATA_BPF_MAP_KINDS);
  for (const std::string program : {"use_queue", "use_stack"}) {
    for (std::uint64_t value = 1; value <= 3; ++value) {
      EXPECT_EQ(this->ResultOf(program, {.operation = Request::kPush, .value = value}), 0);
    }
    EXPECT_EQ(this->ResultOf(program, {.operation = Request::kPush, .value = 4}), -E2BIG);
    EXPECT_EQ(this->ResultOf(program, {.operation = Request::kPush, .flags = kReplace, .value = 4}), 0);
    const bool is_queue = program == "use_queue";
    EXPECT_EQ(this->Run(program, {.operation = Request::kPeek}).value, is_queue ? 2U : 4U);
    for (std::uint64_t i = 0; i < 3; ++i) {
      const Request popped = this->Run(program, {.operation = Request::kPop});
      EXPECT_EQ(popped.result, 0);
      EXPECT_EQ(popped.value, is_queue ? 2 + i : 4 - i);
    }
  }
}

TYPED_TEST(QueueStackTest, AnEmptyOneGivesProgramsZeros) {
  this->LoadObjects(STRATA_BPF_MAP_KINDS);
  for (const std::string program : {"use_queue", "use_stack"}) {
    for (const Request::Operation operation : {Request::kPop, Request::kPeek}) {
      const Request request = this->Run(program, {.operation = operation, .value = 99});
      EXPECT_EQ(request.result, -ENOENT);
      EXPECT_EQ(request.value, 0U);
    }
    EXPECT_EQ(this->ResultOf(program, {.operation = Request::kPush, .flags = 1}), -EINVAL);
    EXPECT_EQ(this->ResultOf(program, {.operation = Request::kPush, .flags = 3}), -EINVAL);
  }
}

TYPED_TEST(QueueStackTest, CreationChecksSizesAndFlags) {
  const MapSpec bad[] = {this->SpecOf(MapType::kQueue, 4, 8, 1), this->SpecOf(MapType::kQueue, 0, 0, 1),
                         this->SpecOf(MapType::kStack, 0, 8, 0),
                         this->SpecOf(MapType::kStack, 0, 8, 1, map_flags::kNoPrealloc),
                         this->SpecOf(MapType::kQueue, 0, 8, 1, map_flags::kZeroSeed)};
  for (const MapSpec& spec : bad) EXPECT_EQ(this->CreationErrno(spec), EINVAL);
  EXPECT_EQ(this->CreationErrno(this->SpecOf(MapType::kQueue, 0, 5 << 20, 1)), E2BIG);
  EXPECT_EQ(this->CreationErrno(this->SpecOf(MapType::kQueue, 0, 13, 1)), 0);
  MapSpec with_extra = this->SpecOf(MapType::kQueue, 0, 8, 1);
  with_extra.map_extra = 1;
  EXPECT_EQ(this->CreationErrno(with_extra), EINVAL);
}

class QueueStackOnBoth : public BothBackends {};

TEST_F(QueueStackOnBoth, RandomOperationsHaveTheSameResults) {
  std::mt19937_64 random(20'261'127);
  for (const MapType type : {MapType::kQueue, MapType::kStack}) {
    MapSpec spec;
    spec.name = "same";
    spec.type = type;
    spec.value_size = 12;
    spec.max_entries = 7;
    std::vector<Map> maps = CreateMaps(spec);
    for (int i = 0; i < 100'000; ++i) {
      const std::uint64_t choice = random() % 8;
      const std::uint32_t pushed[3] = {static_cast<std::uint32_t>(random()), 2, static_cast<std::uint32_t>(i)};
      std::uint32_t values[2][3] = {};
      int errors[2] = {};
      for (std::size_t side = 0; side < 2; ++side) {
        if (choice < 5) {
          errors[side] = ErrnoOf(maps[side].Update({}, Bytes(pushed), static_cast<UpdateMode>(choice % 4)));
        } else if (choice < 7) {
          errors[side] = ErrnoOf(maps[side].LookupAndDelete({}, Writable(values[side])));
        } else {
          errors[side] = ErrnoOf(maps[side].Lookup({}, Writable(values[side])));
        }
      }
      ASSERT_EQ(errors[0], errors[1]) << "operation " << i;
      ASSERT_EQ(std::memcmp(values[0], values[1], sizeof(values[0])), 0) << "operation " << i;
    }
  }
}

}  // namespace
}  // namespace strata
