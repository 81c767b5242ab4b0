#include "strata/backend/userspace/runtime/map_view.h"

#include <fcntl.h>
#include <unistd.h>

#include "session_fixture.h"
#include "strata/backend/userspace/runtime/session_view.h"

namespace strata::runtime {
namespace {

class MapViewTest : public RuntimeTest {
 protected:
  void SetUp() override {
    RuntimeTest::SetUp();
    if (HasFatalFailure()) return;
    // A second view of the session, as another process has it.
    ASSERT_EQ(OpenProcess(folder().c_str(), &other_, nullptr), 0);
  }
  void TearDown() override {
    if (other_ != nullptr) CloseProcess(other_);
    RuntimeTest::TearDown();
  }
  long OpenElsewhere(std::uint32_t id) {
    MapView* view = nullptr;
    const long error = OpenMapById(*other_, folder_fd(), id, &view, &reason_);
    if (error == 0) ReleaseMap(view);
    return error;
  }

  Process* other_ = nullptr;
  Reason reason_;
};

TEST_F(MapViewTest, TwoViewsShareOneMap) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 10);
  MapView* second = nullptr;
  ASSERT_EQ(OpenMapById(*other_, folder_fd(), map.id, &second, &reason_), 0) << reason_.text;
  ASSERT_NE(second->table, map.table);
  const std::uint64_t key = 1;
  const std::uint64_t value = 2;
  ASSERT_EQ(map.ops->update(map, &key, &value, 0, 0), 0);
  const auto* found = static_cast<const std::uint64_t*>(second->ops->lookup(*second, &key, 0));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(*found, 2U);
}

TEST_F(MapViewTest, OpeningTwiceGivesTheSameViewUntilBothAreReleased) {
  MapView& map = MakeMap(MapType::kArray, 4, 8, 10);
  MapView* first = nullptr;
  MapView* second = nullptr;
  ASSERT_EQ(OpenMapById(*other_, folder_fd(), map.id, &first, nullptr), 0);
  ASSERT_EQ(OpenMapById(*other_, folder_fd(), map.id, &second, nullptr), 0);
  EXPECT_EQ(first, second);
  ReleaseMap(first);
  EXPECT_EQ(other_->maps, second);
  ReleaseMap(second);
  EXPECT_EQ(other_->maps, nullptr);
}

TEST_F(MapViewTest, RefusesEveryFlippedByteOfTheGeometry) {
  MapView& map = MakeMap(MapType::kHash, 8, 12, 100);
  const std::string name = "map-" + std::to_string(map.id);
  const std::uint64_t header_offset = map.geometry.file_size - kPageSize;
  ASSERT_EQ(OpenElsewhere(map.id), 0) << reason_.text;
  for (std::uint64_t offset = 0; offset < offsetof(MapHeader, hash_seed); ++offset) {
    const bool is_free = (offset >= offsetof(MapHeader, map_extra) && offset < offsetof(MapHeader, value_stride)) ||
                         (offset >= offsetof(MapHeader, flags) && offset < offsetof(MapHeader, map_extra));
    if (is_free) continue;  // map_extra means nothing to a hash; other flags may be valid flags
    std::byte original{};
    std::memcpy(&original, reinterpret_cast<const std::byte*>(map.header) + offset, 1);
    const std::byte flipped = original ^ std::byte{0x40};
    Patch(name, header_offset + offset, BytesOf(flipped));
    EXPECT_LT(OpenElsewhere(map.id), 0) << "offset " << offset;
    Patch(name, header_offset + offset, BytesOf(original));
  }
  EXPECT_EQ(OpenElsewhere(map.id), 0) << reason_.text;
}

TEST_F(MapViewTest, RefusesTruncatedFiles) {
  MapView& map = MakeMap(MapType::kArray, 4, 8, 10000);
  const std::uint64_t full = map.geometry.file_size;
  const MapHeader header = *map.header;
  for (const std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{100}, std::uint64_t{kPageSize}, full - kPageSize, full - 1}) {
    WriteFile("map-77", {});
    Truncate("map-77", size);
    if (size >= kPageSize) Patch("map-77", (size / kPageSize - 1) * kPageSize, BytesOf(header));
    EXPECT_EQ(OpenElsewhere(77), -EBADMSG) << size;
  }
}

TEST_F(MapViewTest, RefusesAMapUnderAnotherId) {
  MapView& map = MakeMap(MapType::kArray, 4, 8, 1);
  ASSERT_EQ(::renameat(folder_fd(), ("map-" + std::to_string(map.id)).c_str(), folder_fd(), "map-99"), 0);
  EXPECT_EQ(OpenElsewhere(99), -EBADMSG);
  EXPECT_EQ(OpenElsewhere(map.id), -ENOENT);
}

TEST_F(MapViewTest, ARingsDataLiesTwiceInARow) {
  MapView& ring = MakeMap(MapType::kRingBuf, 0, 0, 8192);
  std::byte* data = ring.data + std::size_t{2} * kPageSize;
  data[5] = std::byte{42};
  EXPECT_EQ(data[8192 + 5], std::byte{42});
  data[8192 + 8191] = std::byte{43};
  EXPECT_EQ(data[8191], std::byte{43});
}

TEST_F(MapViewTest, MemoryOfTheArenaIsUsedAgain) {
  void* first = Allocate(process().arena, 100);
  std::memset(first, 0xff, 100);
  Free(process().arena, first, 100);
  auto* second = static_cast<unsigned char*>(Allocate(process().arena, 120));  // of the same class
  EXPECT_EQ(second, first);
  for (int i = 0; i < 120; ++i) EXPECT_EQ(second[i], 0);
  void* large = Allocate(process().arena, 100000);
  ASSERT_NE(large, nullptr);
  Free(process().arena, large, 100000);
}

}  // namespace
}  // namespace strata::runtime
