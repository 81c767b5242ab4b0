#include <thread>
#include <vector>

#include "session_fixture.h"

namespace strata::runtime {
namespace {

class BloomFilterTest : public RuntimeTest {
 protected:
  MapView& MakeFilter(std::uint32_t value_size, std::uint32_t max_entries, std::uint64_t map_extra = 0) {
    MapAttributes attributes;
    attributes.type = MapType::kBloomFilter;
    attributes.value_size = value_size;
    attributes.max_entries = max_entries;
    attributes.map_extra = map_extra;
    return MakeMap(attributes);
  }
  static bool MayContain(MapView& filter, std::uint64_t value) { return filter.ops->peek(filter, &value) == 0; }
  static void Add(MapView& filter, std::uint64_t value) { ASSERT_EQ(filter.ops->push(filter, &value, 0), 0); }
};

TEST_F(BloomFilterTest, HasAsManyBitsAsTheKernels) {
  const struct {
    std::uint32_t max_entries;
    std::uint64_t map_extra;
    std::uint64_t bits;
  } rows[] = {{1, 0, 64},
              {10, 0, 128},
              {1000, 0, 8192},
              {1000, 3, 8192},
              {1000, 15, 32768},
              {1 << 20, 5, 1 << 23},
              {0x80000000, 0, 1ULL << 32}};
  for (const auto& row : rows) {
    MapGeometry geometry;
    MapAttributes attributes;
    attributes.type = MapType::kBloomFilter;
    attributes.value_size = 8;
    attributes.max_entries = row.max_entries;
    attributes.map_extra = row.map_extra;
    ASSERT_EQ(ComputeGeometry(attributes, &geometry), 0);
    EXPECT_EQ(geometry.table_size, std::max<std::uint64_t>(row.bits / 8, kPageSize)) << row.max_entries;
  }
}

TEST_F(BloomFilterTest, FewOthersAreTakenForMembers) {
  // 5 hash functions and 8 bits per element: theory says 2.2 %.
  MapView& filter = MakeFilter(8, 10'000);
  for (std::uint64_t value = 0; value < 10'000; ++value) Add(filter, value);
  int wrong = 0;
  for (std::uint64_t value = 10'000; value < 110'000; ++value) wrong += MayContain(filter, value) ? 1 : 0;
  EXPECT_LT(wrong, 3000);
  for (std::uint64_t value = 0; value < 10'000; ++value) ASSERT_TRUE(MayContain(filter, value)) << value;
}

TEST_F(BloomFilterTest, ThreadsThatAddAtTheSameTimeForgetNothing) {
  MapView& filter = MakeFilter(8, 1000, 15);
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < 2000; ++i) Add(filter, i * 4 + thread);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::uint64_t value = 0; value < 8000; ++value) ASSERT_TRUE(MayContain(filter, value)) << value;
}

TEST_F(BloomFilterTest, ANumberOfHashFunctionsThatCannotBeIsRefusedWhenOpened) {
  MapView& filter = MakeFilter(8, 10, 2);
  const std::string name = "map-" + std::to_string(filter.id);
  const std::uint64_t extra = 16;
  const std::uint64_t offset = filter.geometry.file_size - kPageSize + offsetof(MapHeader, map_extra);
  ReleaseMap(&filter);
  Patch(name, offset, BytesOf(extra));
  MapView* opened = nullptr;
  Reason reason;
  EXPECT_EQ(OpenMapById(process(), folder_fd(), 1, &opened, &reason), -EBADMSG);
}

}  // namespace
}  // namespace strata::runtime
