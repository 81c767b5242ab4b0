#include "session_fixture.h"

namespace strata::runtime {
namespace {

constexpr auto kNoExist = static_cast<std::uint64_t>(UpdateMode::kNoExist);
constexpr auto kExist = static_cast<std::uint64_t>(UpdateMode::kExist);

class ArrayTest : public RuntimeTest {
 protected:
  std::uint64_t Read(MapView& map, std::uint32_t index) {
    const void* value = map.ops->lookup(map, &index, 0);
    std::uint64_t number = 0;
    if (value != nullptr) std::memcpy(&number, value, map.value_size);
    return number;
  }
};

TEST_F(ArrayTest, ElementsExistAsZerosFromTheStart) {
  MapView& map = MakeMap(MapType::kArray, 4, 8, 3);
  for (std::uint32_t index = 0; index < 3; ++index) EXPECT_EQ(Read(map, index), 0U);
  const std::uint32_t past = 3;
  EXPECT_EQ(map.ops->lookup(map, &past, 0), nullptr);
}

TEST_F(ArrayTest, UpdatesKeepToTheKernelsErrors) {
  MapView& map = MakeMap(MapType::kArray, 4, 8, 3);
  const std::uint64_t value = 7;
  std::uint32_t index = 1;
  EXPECT_EQ(map.ops->update(map, &index, &value, 0, 0), 0);
  EXPECT_EQ(map.ops->update(map, &index, &value, kExist, 0), 0);
  EXPECT_EQ(map.ops->update(map, &index, &value, kNoExist, 0), -EEXIST);
  EXPECT_EQ(map.ops->update(map, &index, &value, 3, 0), -EINVAL);
  EXPECT_EQ(map.ops->update(map, &index, &value, kUpdateWithLock, 0), -EINVAL);
  index = 3;
  EXPECT_EQ(map.ops->update(map, &index, &value, 0, 0), -E2BIG);
  EXPECT_EQ(map.ops->update(map, &index, &value, kNoExist, 0), -E2BIG);
  EXPECT_EQ(map.ops->update(map, &index, &value, 99, 0), -EINVAL);
  EXPECT_EQ(map.ops->erase(map, &index), -EINVAL);
  EXPECT_EQ(Read(map, 1), 7U);
}

TEST_F(ArrayTest, ValuesOfOddSizeLieEightApart) {
  MapView& map = MakeMap(MapType::kArray, 4, 5, 2);
  const char first[5] = {'a', 'b', 'c', 'd', 'e'};
  std::uint32_t index = 1;
  ASSERT_EQ(map.ops->update(map, &index, first, 0, 0), 0);
  EXPECT_EQ(std::memcmp(map.data + 8, first, 5), 0);
  EXPECT_EQ(map.data[13], std::byte{0});
  char out[5] = {};
  ASSERT_EQ(map.ops->copy_out(map, &index, out, 0), 0);
  EXPECT_EQ(std::memcmp(out, first, 5), 0);
}

TEST_F(ArrayTest, NextKeyCountsUp) {
  MapView& map = MakeMap(MapType::kArray, 4, 8, 2);
  std::uint32_t next = 99;
  EXPECT_EQ(map.ops->next_key(map, nullptr, &next), 0);
  EXPECT_EQ(next, 0U);
  std::uint32_t key = 0;
  EXPECT_EQ(map.ops->next_key(map, &key, &next), 0);
  EXPECT_EQ(next, 1U);
  key = 1;
  EXPECT_EQ(map.ops->next_key(map, &key, &next), -ENOENT);
  key = 1000;  // beyond the end: starts again
  EXPECT_EQ(map.ops->next_key(map, &key, &next), 0);
  EXPECT_EQ(next, 0U);
}

TEST_F(ArrayTest, ForEachVisitsInOrderAndStops) {
  MapView& map = MakeMap(MapType::kArray, 4, 8, 10);
  std::vector<std::uint32_t> seen;
  const auto visit = [](const void* key, void*, void* argument) noexcept -> long {
    auto& keys = *static_cast<std::vector<std::uint32_t>*>(argument);
    keys.push_back(*static_cast<const std::uint32_t*>(key));
    return keys.size() == 3 ? 1 : 0;
  };
  EXPECT_EQ(map.ops->for_each(map, 0, visit, &seen), 1);
  EXPECT_EQ(seen, (std::vector<std::uint32_t>{0, 1, 2}));
}

TEST_F(ArrayTest, PerCpuProgramsSeeTheirSlotAndUsersAll) {
  MapView& map = MakeMap(MapType::kPerCpuArray, 4, 4, 2);
  ASSERT_EQ(ElementSize(map), 8U * kTestSlots);
  const std::uint32_t index = 1;
  for (std::uint32_t slot = 0; slot < kTestSlots; ++slot) {
    const std::uint32_t value = 100 + slot;
    ASSERT_EQ(map.ops->update(map, &index, &value, 0, slot), 0);
  }
  EXPECT_EQ(*static_cast<std::uint32_t*>(map.ops->lookup(map, &index, 2)), 102U);
  EXPECT_EQ(map.ops->lookup(map, &index, kTestSlots), nullptr);
  std::uint64_t all[kTestSlots] = {};
  ASSERT_EQ(map.ops->copy_out(map, &index, all, 0), 0);
  for (std::uint32_t slot = 0; slot < kTestSlots; ++slot) EXPECT_EQ(all[slot], 100U + slot);
}

TEST_F(ArrayTest, PerCpuUsersWriteAllSlots) {
  MapView& map = MakeMap(MapType::kPerCpuArray, 4, 8, 2);
  const std::uint64_t values[kTestSlots] = {5, 6, 7, 8};
  std::uint32_t index = 0;
  ASSERT_EQ(map.ops->copy_in(map, &index, values, 0), 0);
  for (std::uint32_t slot = 0; slot < kTestSlots; ++slot)
    EXPECT_EQ(*static_cast<std::uint64_t*>(map.ops->lookup(map, &index, slot)), 5U + slot);
  EXPECT_EQ(map.ops->copy_in(map, &index, values, kNoExist), -EEXIST);
  EXPECT_EQ(map.ops->copy_in(map, &index, values, kUpdateWithLock), -EINVAL);
  index = 2;
  EXPECT_EQ(map.ops->copy_in(map, &index, values, 0), -E2BIG);
  EXPECT_EQ(map.ops->copy_out(map, &index, nullptr, 0), -ENOENT);
}

}  // namespace
}  // namespace strata::runtime
