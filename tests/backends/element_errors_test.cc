// The codes of errors of element operations, and what may be a key.
#include <cerrno>

#include "fixture.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using ::testing::HasSubstr;

struct Padded {
  std::uint8_t small;
  std::uint32_t large;
};
struct Filled {
  std::uint8_t small;
  std::uint8_t unused[3];
  std::uint32_t large;
};
struct [[gnu::packed]] Packed {
  std::uint8_t small;
  std::uint32_t large;
};
struct WithPointer {
  std::string text;
};
static_assert(!MapElement<Padded>);  // three bytes of whatever was there before
static_assert(MapElement<Filled>);
static_assert(MapElement<Packed>);
static_assert(!MapElement<WithPointer>);
static_assert(MapElement<double>);
static_assert(MapElement<PrefixKey<16>>);

template <typename T>
class ElementErrorsTest : public BackendTest<T> {};
TYPED_TEST_SUITE(ElementErrorsTest, BackendKinds, BackendNames);

ErrorCode CodeOf(const Result<void>& result) { return result.error().code(); }

TYPED_TEST(ElementErrorsTest, ModesHaveCodesOfTheirOwn) {
  auto map = HashMap<std::uint32_t, std::uint32_t>::From(this->CreateMap(MapType::kHash, 4, 4, 1)).value();
  EXPECT_EQ(CodeOf(map.Update(1, 1, UpdateMode::kExist)), ErrorCode::kKeyNotExist);
  ASSERT_TRUE(map.Update(1, 1, UpdateMode::kNoExist));
  EXPECT_EQ(CodeOf(map.Update(1, 1, UpdateMode::kNoExist)), ErrorCode::kKeyExist);
  EXPECT_EQ(CodeOf(map.Update(2, 1)), ErrorCode::kMapFull);
  EXPECT_THAT(map.Update(2, 1).error().message(), HasSubstr("map test_map: update: the map is full"));
}

TYPED_TEST(ElementErrorsTest, AnIndexPastTheEndIsNoFullMap) {
  auto map = Array<std::uint32_t>::From(this->CreateMap(MapType::kArray, 4, 4, 2)).value();
  EXPECT_EQ(CodeOf(map.Update(2, 1)), ErrorCode::kKeyNotExist);
  EXPECT_EQ(map.Update(2, 1).error().sys_errno(), E2BIG);
}

TYPED_TEST(ElementErrorsTest, ValuesWithoutALockCannotBeLocked) {
  auto map = HashMap<std::uint32_t, std::uint32_t>::From(this->CreateMap(MapType::kHash, 4, 4, 2)).value();
  EXPECT_EQ(map.Update(1, 1, UpdateMode::kLock).error().sys_errno(), EINVAL);
  EXPECT_EQ(map.Lookup(1, LookupMode::kLock).error().sys_errno(), EINVAL);
  EXPECT_EQ(map.Update(1, 1, UpdateMode::kNoExist | UpdateMode::kLock).error().sys_errno(), EINVAL);
}

TYPED_TEST(ElementErrorsTest, FrozenMapsSaySo) {
  Map map = this->CreateMap(MapType::kArray, 4, 4, 1);
  EXPECT_FALSE(map.State()->is_frozen);
  ASSERT_TRUE(map.Freeze());
  EXPECT_TRUE(map.State()->is_frozen);
  const std::uint32_t zero = 0;
  const auto refused = map.Update(internal::BytesOf(zero), internal::BytesOf(zero));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied) << refused.error().message();
}

TYPED_TEST(ElementErrorsTest, MemoryOfAMapIsKnown) {
  const Map map = this->CreateMap(MapType::kArray, 4, 1000, 100);
  const auto state = map.State();
  ASSERT_TRUE(state) << state.error().message();
  EXPECT_GE(state->memory_bytes, 100'000U);
}

TYPED_TEST(ElementErrorsTest, LookupAndDeleteIsTyped) {
  auto map = HashMap<std::uint32_t, std::uint32_t>::From(this->CreateMap(MapType::kHash, 4, 4, 2)).value();
  ASSERT_TRUE(map.Update(1, 5));
  EXPECT_EQ(**map.LookupAndDelete(1), 5U);
  EXPECT_FALSE(map.LookupAndDelete(1)->has_value());
}

TYPED_TEST(ElementErrorsTest, AMapIsMadeWithoutAnObject) {
  MapSpec spec;
  spec.name = "ring";
  spec.type = MapType::kRingBuf;
  spec.max_entries = 5000;  // rounded up
  const auto ring = Map::Create(this->backend_, spec);
  ASSERT_TRUE(ring) << ring.error().message();
  EXPECT_EQ(ring->info().max_entries, 8192U);
}

}  // namespace
}  // namespace strata
