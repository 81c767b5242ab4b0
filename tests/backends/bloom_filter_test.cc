// Bloom filters, from user space and in programs.
#include "map_kinds_fixture.h"

namespace strata {
namespace {

using namespace strata::testing;  // NOLINT: its helpers are this file's vocabulary

template <typename T>
class BloomFilterTest : public MapKindsTest<T> {};
TYPED_TEST_SUITE(BloomFilterTest, BackendKinds, BackendNames);

TYPED_TEST(BloomFilterTest, NeverForgetsAMember) {
  for (const std::uint32_t flags : {0U, map_flags::kZeroSeed}) {
    auto filter = BloomFilter<std::uint64_t>::From(this->CreateMap(MapType::kBloomFilter, 0, 8, 500, flags)).value();
    for (std::uint64_t value = 0; value < 500; ++value) ASSERT_TRUE(filter.Add(value * 7));
    for (std::uint64_t value = 0; value < 500; ++value) ASSERT_TRUE(*filter.MayContain(value * 7)) << value;
    int taken_for_members = 0;
    for (std::uint64_t value = 0; value < 10'000; ++value) taken_for_members += *filter.MayContain(value * 7 + 1);
    EXPECT_LT(taken_for_members, 800);
  }
}

TYPED_TEST(BloomFilterTest, OperationsAndFlagsAreTheKernels) {
  Map filter = this->CreateMap(MapType::kBloomFilter, 0, 8, 10);
  std::uint64_t value = 7;
  EXPECT_EQ(ErrnoOf(filter.Lookup({}, Writable(value))), ENOENT);
  EXPECT_EQ(ErrnoOf(filter.Update({}, Bytes(value), UpdateMode::kNoExist)), EINVAL);
  EXPECT_EQ(ErrnoOf(filter.Update({}, Bytes(value), UpdateMode::kExist)), EINVAL);
  EXPECT_EQ(ErrnoOf(filter.Update({}, Bytes(value))), 0);
  EXPECT_EQ(ErrnoOf(filter.Lookup({}, Writable(value))), 0);
  EXPECT_EQ(value, 7U);
  EXPECT_EQ(ErrnoOf(filter.Delete({})), EOPNOTSUPP);
  EXPECT_EQ(ErrnoOf(filter.backend_map()->NextKey(std::nullopt, {})), EOPNOTSUPP);
  EXPECT_EQ(ErrnoOf(filter.LookupAndDelete({}, Writable(value))), 524);
}

TYPED_TEST(BloomFilterTest, CreationChecksSizesFlagsAndHashFunctions) {
  MapSpec spec = this->SpecOf(MapType::kBloomFilter, 0, 8, 10);
  for (const std::uint64_t hash_functions : {0, 1, 15}) {
    spec.map_extra = hash_functions;
    EXPECT_EQ(this->CreationErrno(spec), 0);
  }
  for (const std::uint64_t extra : {std::uint64_t{16}, std::uint64_t{1} << 32}) {
    spec.map_extra = extra;
    EXPECT_EQ(this->CreationErrno(spec), EINVAL);
  }
  EXPECT_EQ(this->CreationErrno(this->SpecOf(MapType::kBloomFilter, 4, 8, 10)), EINVAL);
  EXPECT_EQ(this->CreationErrno(this->SpecOf(MapType::kBloomFilter, 0, 0, 10)), EINVAL);
  EXPECT_EQ(this->CreationErrno(this->SpecOf(MapType::kBloomFilter, 0, 8, 0)), EINVAL);
  EXPECT_EQ(this->CreationErrno(this->SpecOf(MapType::kBloomFilter, 0, 8, 10, map_flags::kNoPrealloc)), EINVAL);
  EXPECT_EQ(this->CreationErrno(this->SpecOf(MapType::kBloomFilter, 0, 5 << 20, 10)), E2BIG);
}

TYPED_TEST(BloomFilterTest, ValuesOfAnySizeWork) {
  for (const std::uint32_t size : {1U, 3U, 4U, 7U, 16U, 17U, 100U}) {
    Map filter = this->CreateMap(MapType::kBloomFilter, 0, size, 100);
    std::vector<std::byte> value(size, std::byte{5});
    EXPECT_EQ(ErrnoOf(filter.Update({}, value)), 0);
    EXPECT_EQ(ErrnoOf(filter.Lookup({}, value)), 0);
    value.back() = std::byte{6};
    EXPECT_EQ(ErrnoOf(filter.Lookup({}, value)), ENOENT) << size;
  }
}

TYPED_TEST(BloomFilterTest, ProgramsAddAndAsk) {
  this->LoadObjects(STRATA_BPF_MAP_KINDS);
  EXPECT_EQ(this->ResultOf("use_filter", {.operation = Request::kPeek, .value = 5}), -ENOENT);
  EXPECT_EQ(this->ResultOf("use_filter", {.operation = Request::kPush, .flags = 1, .value = 5}), -EINVAL);
  EXPECT_EQ(this->ResultOf("use_filter", {.operation = Request::kPush, .value = 5}), 0);
  EXPECT_EQ(this->ResultOf("use_filter", {.operation = Request::kPeek, .value = 5}), 0);
}

}  // namespace
}  // namespace strata
