// What sizes and flags the kinds take, with the kernel's errno.
#include <gtest/gtest.h>

#include "strata/backend/userspace/runtime/map_view.h"

#include <asm/errno.h>

namespace strata::runtime {
namespace {

constexpr std::uint32_t kCpus = 4;
constexpr std::uint32_t kMostValue = 4 << 20;

long GeometryError(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint64_t max_entries,
                   std::uint32_t flags = 0, std::uint64_t map_extra = 0) {
  MapGeometry geometry;
  return ComputeGeometry({type, key_size, value_size, static_cast<std::uint32_t>(max_entries), flags, map_extra, kCpus},
                         &geometry);
}

TEST(MapKinds, RefuseWhatTheKernelRefusesForQueuesAndStacks) {
  for (const MapType type : {MapType::kQueue, MapType::kStack}) {
    EXPECT_EQ(GeometryError(type, 0, 8, 10), 0);
    EXPECT_EQ(GeometryError(type, 0, 8, 10, map_flags::kNumaNode | map_flags::kReadOnly), 0);
    EXPECT_EQ(GeometryError(type, 4, 8, 10), -EINVAL);
    EXPECT_EQ(GeometryError(type, 0, 0, 10), -EINVAL);
    EXPECT_EQ(GeometryError(type, 0, 8, 0), -EINVAL);
    EXPECT_EQ(GeometryError(type, 0, 8, 10, map_flags::kNoPrealloc), -EINVAL);
    EXPECT_EQ(GeometryError(type, 0, 8, 10, map_flags::kReadOnlyProgram | map_flags::kWriteOnlyProgram), -EINVAL);
    EXPECT_EQ(GeometryError(type, 0, kMostValue, 10), 0);
    EXPECT_EQ(GeometryError(type, 0, kMostValue + 1, 10), -E2BIG);
    EXPECT_EQ(GeometryError(type, 4, kMostValue + 1, 10), -EINVAL) << "the key is looked at first";
    EXPECT_EQ(GeometryError(type, 0, 8, 10, 0, 1), -EINVAL) << "map_extra";
  }
}

TEST(MapKinds, RefuseWhatTheKernelRefusesForBloomFilters) {
  constexpr MapType kType = MapType::kBloomFilter;
  EXPECT_EQ(GeometryError(kType, 0, 8, 10), 0);
  EXPECT_EQ(GeometryError(kType, 0, 8, 10, map_flags::kZeroSeed, 15), 0);
  EXPECT_EQ(GeometryError(kType, 0, 8, 10, 0, 16), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 0, 8, 10, 0, std::uint64_t{1} << 40), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 4, 8, 10), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 0, 0, 10), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 0, 8, 0), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 0, 8, 10, map_flags::kNoPrealloc), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 0, kMostValue + 1, 10), -E2BIG);
  EXPECT_EQ(GeometryError(kType, 4, kMostValue + 1, 10), -E2BIG) << "the value is looked at first";
}

TEST(MapKinds, RefuseWhatTheKernelRefusesForTries) {
  constexpr MapType kType = MapType::kLpmTrie;
  constexpr std::uint32_t kFlags = map_flags::kNoPrealloc;
  EXPECT_EQ(GeometryError(kType, 8, 8, 10, kFlags), 0);
  EXPECT_EQ(GeometryError(kType, 260, 8, 10, kFlags | map_flags::kReadOnlyProgram), 0);
  EXPECT_EQ(GeometryError(kType, 5, 1, 1, kFlags), 0);
  EXPECT_EQ(GeometryError(kType, 8, 8, 10), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 4, 8, 10, kFlags), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 261, 8, 10, kFlags), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 8, 0, 10, kFlags), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 8, 8, 0, kFlags), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 8, 8, 10, kFlags | map_flags::kZeroSeed), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 8, kMostValue - 280, 1, kFlags), 0);
  EXPECT_EQ(GeometryError(kType, 8, kMostValue - 279, 1, kFlags), -EINVAL);
}

TEST(MapKinds, RefuseWhatTheKernelRefusesForUserRings) {
  EXPECT_EQ(GeometryError(MapType::kUserRingBuf, 0, 0, 4096, map_flags::kNumaNode), 0);
  EXPECT_EQ(GeometryError(MapType::kUserRingBuf, 0, 0, 6000), -EINVAL);
  EXPECT_EQ(GeometryError(MapType::kUserRingBuf, 4, 0, 4096), -EINVAL);
  EXPECT_EQ(GeometryError(MapType::kUserRingBuf, 0, 0, 4096, map_flags::kReadOnly), -EINVAL);
}

TEST(MapKinds, RefuseWhatTheKernelRefusesForPerfEventArrays) {
  constexpr MapType kType = MapType::kPerfEventArray;
  constexpr std::uint32_t kPreserveElements = 1U << 11;
  EXPECT_EQ(GeometryError(kType, 4, 4, 2), 0);
  EXPECT_EQ(GeometryError(kType, 4, 4, 100, map_flags::kReadOnly | map_flags::kNumaNode | kPreserveElements), 0);
  EXPECT_EQ(GeometryError(kType, 4, 8, 2), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 8, 4, 2), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 4, 4, 0), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 4, 4, 2, map_flags::kReadOnlyProgram), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 4, 4, 2, map_flags::kMmapable), -EINVAL);
}

TEST(MapKinds, RefuseWhatTheKernelRefusesForStackTraces) {
  constexpr MapType kType = MapType::kStackTrace;
  EXPECT_EQ(GeometryError(kType, 4, 8, 16), 0);
  EXPECT_EQ(GeometryError(kType, 4, 1016, 3, map_flags::kReadOnly), 0);
  EXPECT_EQ(GeometryError(kType, 4, 1024, 16), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 4, 12, 16), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 4, 0, 16), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 8, 8, 16), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 4, 8, 0), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 4, 8, 16, map_flags::kReadOnlyProgram), -EINVAL);
  EXPECT_EQ(GeometryError(kType, 4, 32, 16, 1U << 5), -EINVAL) << "build ids";
  EXPECT_EQ(GeometryError(kType, 4, 8, 0x80000001), -E2BIG);
}

}  // namespace
}  // namespace strata::runtime
