#include <set>
#include <string>

#include "session_fixture.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kCpus = 4;

long GeometryError(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint64_t max_entries,
                   std::uint32_t flags = 0) {
  MapGeometry geometry;
  return ComputeGeometry({type, key_size, value_size, static_cast<std::uint32_t>(max_entries), flags, 0, kCpus},
                         &geometry);
}

TEST(MapKinds, AreUniqueAndComplete) {
  std::set<std::string> names;
  std::set<MapType> types;
  for (const MapKind& kind : MapKinds()) {
    EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
    EXPECT_TRUE(types.insert(kind.type).second) << kind.name;
    EXPECT_EQ(FindMapKind(kind.type), &kind);
    const MapOps& ops = *kind.ops;
    for (const bool is_there :
         {ops.geometry != nullptr, ops.initialize != nullptr, ops.open != nullptr, ops.lookup != nullptr,
          ops.update != nullptr, ops.erase != nullptr, ops.for_each != nullptr, ops.copy_out != nullptr,
          ops.copy_in != nullptr, ops.take != nullptr, ops.push != nullptr, ops.pop != nullptr, ops.peek != nullptr,
          ops.next_key != nullptr}) {
      EXPECT_TRUE(is_there) << kind.name;
    }
  }
  EXPECT_EQ(FindMapKind(MapType::kSockMap), nullptr);
}

TEST(MapKinds, TraitsAreBitsOfTheirOwn) {
  using namespace map_traits;
  std::uint32_t all = 0;
  for (const std::uint32_t trait : {kPerCpu, kRing, kMmapable, kIndexed, kHoldsPrograms, kHoldsMaps, kLocalStorage,
                                    kUserRing, kMappedTwice, kSpinLocks, kTimers}) {
    EXPECT_EQ(all & trait, 0U);
    all |= trait;
  }
}

TEST(MapKinds, RefuseWhatTheKernelRefusesForArrays) {
  for (const MapType type : {MapType::kArray, MapType::kPerCpuArray}) {
    EXPECT_EQ(GeometryError(type, 4, 8, 10), 0);
    EXPECT_EQ(GeometryError(type, 8, 8, 10), -EINVAL);
    EXPECT_EQ(GeometryError(type, 4, 0, 10), -EINVAL);
    EXPECT_EQ(GeometryError(type, 4, 8, 0), -EINVAL);
    EXPECT_EQ(GeometryError(type, 4, 8, 10, map_flags::kNoPrealloc), -EINVAL);
    EXPECT_EQ(GeometryError(type, 4, 8, 10, map_flags::kReadOnly | map_flags::kWriteOnly), -EINVAL);
    EXPECT_EQ(GeometryError(type, 4, 8, 10, map_flags::kReadOnlyProgram | map_flags::kWriteOnlyProgram), -EINVAL);
  }
  EXPECT_EQ(GeometryError(MapType::kArray, 4, 8, 10, map_flags::kMmapable), 0);
  EXPECT_EQ(GeometryError(MapType::kPerCpuArray, 4, 8, 10, map_flags::kMmapable), -EINVAL);
  EXPECT_EQ(GeometryError(MapType::kArray, 4, 0x80000000, 1), -E2BIG);
  EXPECT_EQ(GeometryError(MapType::kPerCpuArray, 4, (32 << 10) + 1, 1), -E2BIG);
}

TEST(MapKinds, RefuseWhatTheKernelRefusesForHashes) {
  for (const MapType type : {MapType::kHash, MapType::kPerCpuHash}) {
    EXPECT_EQ(GeometryError(type, 8, 8, 10), 0);
    EXPECT_EQ(GeometryError(type, 8, 8, 10, map_flags::kNoPrealloc), 0);
    EXPECT_EQ(GeometryError(type, 0, 8, 10), -EINVAL);
    EXPECT_EQ(GeometryError(type, 8, 0, 10), -EINVAL);
    EXPECT_EQ(GeometryError(type, 8, 8, 0), -EINVAL);
    EXPECT_EQ(GeometryError(type, 8, 8, 10, map_flags::kMmapable), -EINVAL);
    EXPECT_EQ(GeometryError(type, 8, 8, 10, map_flags::kNoCommonLru), -EINVAL);
    EXPECT_EQ(GeometryError(type, 8, 8, std::uint64_t{1} << 31), -E2BIG);
    EXPECT_EQ(GeometryError(type, 4 << 20, 8, 10), -E2BIG);
  }
  EXPECT_EQ(GeometryError(MapType::kPerCpuHash, 8, (32 << 10) + 1, 1), -E2BIG);
}

TEST(MapKinds, RefuseWhatTheKernelRefusesForRingBuffers) {
  EXPECT_EQ(GeometryError(MapType::kRingBuf, 0, 0, 4096), 0);
  EXPECT_EQ(GeometryError(MapType::kRingBuf, 0, 0, 0), -EINVAL);
  EXPECT_EQ(GeometryError(MapType::kRingBuf, 0, 0, 2048), -EINVAL);
  EXPECT_EQ(GeometryError(MapType::kRingBuf, 0, 0, 3 * 4096), -EINVAL);
  EXPECT_EQ(GeometryError(MapType::kRingBuf, 4, 0, 4096), -EINVAL);
  EXPECT_EQ(GeometryError(MapType::kRingBuf, 0, 4, 4096), -EINVAL);
  EXPECT_EQ(GeometryError(MapType::kRingBuf, 0, 0, 4096, map_flags::kMmapable), -EINVAL);
}

TEST(MapKinds, RefuseAKindThatIsNotThere) { EXPECT_EQ(GeometryError(MapType::kStructOps, 4, 8, 1), -524); }

TEST(MapKinds, LayOutDataAsTheKernelMapsIt) {
  MapGeometry geometry;
  ASSERT_EQ(ComputeGeometry({MapType::kArray, 4, 5, 1000, 0, 0, kCpus}, &geometry), 0);
  EXPECT_EQ(geometry.value_stride, 8U);
  EXPECT_EQ(geometry.data_size, 8192U);  // 8000 bytes in whole pages
  ASSERT_EQ(ComputeGeometry({MapType::kRingBuf, 0, 0, 8192, 0, 0, kCpus}, &geometry), 0);
  EXPECT_EQ(geometry.data_size, 4096U + 4096U + 8192U);
  ASSERT_EQ(ComputeGeometry({MapType::kPerCpuArray, 4, 12, 3, 0, 0, kCpus}, &geometry), 0);
  EXPECT_EQ(geometry.value_stride, 16U);
  EXPECT_EQ(geometry.slot_count, kCpus);
}

}  // namespace
}  // namespace strata::runtime
