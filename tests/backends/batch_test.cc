// Many elements in one call: the kernel's batches, and what stands in for them, give the same results.
#include <cerrno>
#include <map>
#include <numeric>
#include <vector>

#include "fixture.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using ::testing::ElementsAre;

using Numbers = std::vector<std::uint32_t>;

Numbers Range(std::uint32_t first, std::uint32_t count) {
  Numbers all(count);
  std::iota(all.begin(), all.end(), first);
  return all;
}

template <typename T>
class BatchTest : public BackendTest<T> {
 protected:
  using Hash = HashMap<std::uint32_t, std::uint32_t>;
  Hash MakeHash(std::uint32_t max_entries) {
    return Hash::From(this->CreateMap(MapType::kHash, 4, 4, max_entries)).value();
  }
  // Keys 0 ... count - 1, each with itself times ten.
  Hash MakeFilledHash(std::uint32_t count) {
    Hash map = MakeHash(count);
    Numbers keys = Range(0, count);
    Numbers values = keys;
    for (std::uint32_t& value : values) value *= 10;
    EXPECT_EQ(map.UpdateBatch(keys, values).count, count);
    return map;
  }
};
TYPED_TEST_SUITE(BatchTest, BackendKinds, BackendNames);

TYPED_TEST(BatchTest, UpdatesManyElements) {
  auto map = this->MakeHash(100);
  const BatchResult result = map.UpdateBatch(Range(0, 100), Range(1000, 100));
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result.count, 100U);
  EXPECT_EQ(**map.Lookup(0), 1000U);
  EXPECT_EQ(**map.Lookup(99), 1099U);
}

TYPED_TEST(BatchTest, UpdateSaysHowManyFitted) {
  auto map = this->MakeHash(10);
  const BatchResult result = map.UpdateBatch(Range(0, 15), Range(0, 15));
  EXPECT_EQ(result.count, 10U);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kMapFull) << result.error().message();
  EXPECT_EQ(result.error().sys_errno(), E2BIG);
  EXPECT_EQ(map.Snapshot()->size(), 10U);
}

TYPED_TEST(BatchTest, UpdateKeepsToItsMode) {
  auto map = this->MakeHash(10);
  ASSERT_TRUE(map.Update(2, 7));
  const BatchResult result = map.UpdateBatch(Range(0, 5), Range(0, 5), UpdateMode::kNoExist);
  EXPECT_EQ(result.count, 2U);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kKeyExist) << result.error().message();
  EXPECT_EQ(**map.Lookup(2), 7U);
  EXPECT_FALSE(map.Lookup(3)->has_value());
}

TYPED_TEST(BatchTest, LookupsGoOnWhereTheLastOneEnded) {
  auto map = this->MakeFilledHash(1000);
  std::map<std::uint32_t, std::uint32_t> seen;
  BatchCursor cursor;
  int calls = 0;
  for (; !cursor.is_at_end; ++calls) {
    Numbers keys(64);
    Numbers values(64);
    const BatchResult result = map.LookupBatch(cursor, keys, values);
    ASSERT_TRUE(result) << result.error().message();
    ASSERT_LE(result.count, 64U);
    for (std::uint32_t i = 0; i < result.count; ++i) {
      EXPECT_TRUE(seen.emplace(keys[i], values[i]).second) << keys[i];
    }
  }
  EXPECT_GT(calls, 15);
  ASSERT_EQ(seen.size(), 1000U);
  for (const auto& [key, value] : seen) EXPECT_EQ(value, key * 10);
}

TYPED_TEST(BatchTest, TheEndIsReachedWithAValidCount) {
  auto map = this->MakeFilledHash(5);
  Numbers keys(50);
  Numbers values(50);
  BatchCursor cursor;
  const BatchResult result = map.LookupBatch(cursor, keys, values);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result.count, 5U);
  EXPECT_TRUE(result.is_at_end);
  EXPECT_TRUE(cursor.is_at_end);
  const BatchResult after = map.LookupBatch(cursor, keys, values);
  EXPECT_TRUE(after);
  EXPECT_EQ(after.count, 0U);
  EXPECT_TRUE(after.is_at_end);
}

TYPED_TEST(BatchTest, AnEmptyMapEndsAtOnce) {
  auto map = this->MakeHash(10);
  Numbers keys(4);
  Numbers values(4);
  BatchCursor cursor;
  const BatchResult result = map.LookupBatch(cursor, keys, values);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result.count, 0U);
  EXPECT_TRUE(cursor.is_at_end);
}

TYPED_TEST(BatchTest, LookupAndDeleteEmptiesTheMap) {
  auto map = this->MakeFilledHash(300);
  BatchCursor cursor;
  std::map<std::uint32_t, std::uint32_t> taken;
  while (!cursor.is_at_end) {
    Numbers keys(50);
    Numbers values(50);
    const BatchResult result = map.LookupAndDeleteBatch(cursor, keys, values);
    ASSERT_TRUE(result) << result.error().message();
    for (std::uint32_t i = 0; i < result.count; ++i) EXPECT_TRUE(taken.emplace(keys[i], values[i]).second);
  }
  EXPECT_EQ(taken.size(), 300U);
  EXPECT_EQ(taken.at(299), 2990U);
  EXPECT_TRUE(map.Snapshot()->empty());
}

TYPED_TEST(BatchTest, DeleteStopsAtAKeyThatIsNotThere) {
  auto map = this->MakeFilledHash(10);
  const BatchResult result = map.DeleteBatch(Numbers{1, 2, 77, 3});
  EXPECT_EQ(result.count, 2U);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kKeyNotExist) << result.error().message();
  EXPECT_EQ(map.Snapshot()->size(), 8U);
  EXPECT_EQ(map.DeleteBatch(Numbers{3, 4}).count, 2U);
  EXPECT_FALSE(map.Lookup(3)->has_value());
}

TYPED_TEST(BatchTest, ArraysAreReadAndWrittenInOneCall) {
  Map map = this->CreateMap(MapType::kArray, 4, 8, 6);
  const Numbers keys = Range(0, 6);
  const std::vector<std::uint64_t> values = {1, 2, 3, 4, 5, 6};
  ASSERT_EQ(map.UpdateBatch(std::as_bytes(std::span(keys)), std::as_bytes(std::span(values))).count, 6U);
  Numbers read_keys(6);
  std::vector<std::uint64_t> read(6);
  BatchCursor cursor;
  const BatchResult result =
      map.LookupBatch(cursor, std::as_writable_bytes(std::span(read_keys)), std::as_writable_bytes(std::span(read)));
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result.count, 6U);
  EXPECT_EQ(read_keys, keys);
  EXPECT_EQ(read, values);
}

TYPED_TEST(BatchTest, ArraysCannotBeDeletedFrom) {
  Map map = this->CreateMap(MapType::kArray, 4, 4, 2);
  const Numbers keys = Range(0, 2);
  const BatchResult result = map.DeleteBatch(std::as_bytes(std::span(keys)));
  EXPECT_EQ(result.count, 0U);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().sys_errno(), EINVAL);
}

TYPED_TEST(BatchTest, PerCpuElementsHoldTheValuesOfAllCpus) {
  for (const MapType type : {MapType::kPerCpuHash, MapType::kPerCpuArray}) {
    Map map = this->CreateMap(type, 4, 4, 3);
    const std::size_t stride = map.info().element_size;
    ASSERT_EQ(stride, 8U * this->backend_->possible_cpus());
    const Numbers keys = Range(0, 3);
    std::vector<std::byte> values(3 * stride);
    for (std::size_t i = 0; i < values.size(); i += 8) values[i] = static_cast<std::byte>(i / 8 + 1);
    const BatchResult written = map.UpdateBatch(std::as_bytes(std::span(keys)), values);
    ASSERT_TRUE(written) << written.error().message();
    Numbers read_keys(3);
    std::vector<std::byte> read(3 * stride);
    BatchCursor cursor;
    ASSERT_EQ(map.LookupBatch(cursor, std::as_writable_bytes(std::span(read_keys)), read).count, 3U);
    for (std::size_t i = 0; i < 3; ++i) {
      const auto expected = std::span(values).subspan(read_keys[i] * stride, stride);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), read.begin() + static_cast<long>(i * stride))) << i;
    }
  }
}

TYPED_TEST(BatchTest, PartsOfElementsAreRefused) {
  Map map = this->CreateMap(MapType::kHash, 4, 8, 4);
  std::vector<std::byte> keys(10);
  std::vector<std::byte> values(16);
  BatchCursor cursor;
  EXPECT_EQ(map.LookupBatch(cursor, keys, values).error().code(), ErrorCode::kInvalidArgument);
  keys.resize(12);
  EXPECT_EQ(map.UpdateBatch(keys, values).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(map.LookupBatch(cursor, {}, {}).count, 0U);
  EXPECT_FALSE(cursor.is_at_end);
}

}  // namespace
}  // namespace strata
