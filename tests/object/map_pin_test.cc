// Maps that exist: by id, by descriptor, by path; and what keeps them.
#include <bpf/bpf.h>

#include <cerrno>
#include <filesystem>

#include "bpf_folder.h"
#include "kernel_fixture.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class MapPin : public testing::KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    if (backend_ != nullptr && !folder_.is_mounted()) GTEST_SKIP() << "lacks the right to mount a BPF file system";
  }
  Map Create() {
    MapSpec spec;
    spec.name = "a_map_of_a_long_name";
    spec.type = MapType::kHash;
    spec.key_size = spec.value_size = 4;
    spec.max_entries = 8;
    return Map::Create(backend_, spec).value();
  }
  using Numbers = HashMap<std::uint32_t, std::uint32_t>;

  testing::BpfFolder folder_;
};

TEST_F(MapPin, MapsAreOpenedByIdWithoutASpecification) {
  const Map map = Create();
  auto numbers = Numbers::From(map).value();
  ASSERT_TRUE(numbers.Update(1, 11));
  const auto opened = Map::Open(backend_, map.info().id);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->name(), "a_map_of_a_long");  // what the kernel keeps
  EXPECT_EQ(opened->spec().max_entries, 8U);
  EXPECT_EQ(**Numbers::From(*opened)->Lookup(1), 11U);
  EXPECT_EQ(Map::Open(backend_, 0x7fffffff).error().code(), ErrorCode::kNotFound);
}

TEST_F(MapPin, MapsAreOpenedByDescriptorWhichStaysTheCallers) {
  const Map map = Create();
  const UniqueFd descriptor(::bpf_map_get_fd_by_id(map.info().id));
  const auto opened = Map::FromDescriptor(backend_, descriptor.get());
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->info().id, map.info().id);
  EXPECT_EQ(Map::FromDescriptor(backend_, -1).error().sys_errno(), EBADF);
}

TEST_F(MapPin, PinnedMapsStayWhenNoHandleIsLeft) {
  {
    Map map = Create();
    ASSERT_TRUE(Numbers::From(map)->Update(1, 11));
    ASSERT_TRUE(map.Pin(folder_.Path("numbers")));
    EXPECT_EQ(map.pin_path(), folder_.Path("numbers"));
  }
  auto opened = Map::OpenPinned(backend_, folder_.Path("numbers"));
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(**Numbers::From(*opened)->Lookup(1), 11U);
  ASSERT_TRUE(opened->Unpin());
  EXPECT_THAT(folder_.Names(), IsEmpty());
  EXPECT_EQ(Map::OpenPinned(backend_, folder_.Path("numbers")).error().code(), ErrorCode::kNotFound);
}

TEST_F(MapPin, AnotherPinMovesTheFirstAndReplacesNothing) {
  Map map = Create();
  ASSERT_TRUE(map.Pin(folder_.Path("one")));
  ASSERT_TRUE(map.Pin(folder_.Path("one")));
  ASSERT_TRUE(map.Pin(folder_.Path("two")));
  EXPECT_THAT(folder_.Names(), ElementsAre("two"));
  Map other = Create();
  ASSERT_TRUE(other.Pin(folder_.Path("three")));
  const auto refused = other.Pin(folder_.Path("two"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sys_errno(), EEXIST) << refused.error().message();
  EXPECT_THAT(folder_.Names(), ElementsAre("three", "two"));
  EXPECT_EQ(Map::OpenPinned(backend_, folder_.Path("two"))->info().id, map.info().id);
}

TEST_F(MapPin, AClonedHandleKnowsNoPin) {
  Map map = Create();
  ASSERT_TRUE(map.Pin(folder_.Path("one")));
  Map clone = map.Clone();
  EXPECT_EQ(clone.pin_path(), "");
  ASSERT_TRUE(clone.Unpin());
  EXPECT_THAT(folder_.Names(), ElementsAre("one"));
  ASSERT_TRUE(clone.Pin(folder_.Path("two")));
  EXPECT_THAT(folder_.Names(), ElementsAre("one", "two"));
}

TEST_F(MapPin, APinThatIsGoneIsMadeAnew) {
  Map map = Create();
  ASSERT_TRUE(map.Pin(folder_.Path("one")));
  ASSERT_EQ(::unlink(folder_.Path("one").c_str()), 0);
  ASSERT_TRUE(map.Pin(folder_.Path("two")));
  ASSERT_TRUE(map.Unpin());
  ASSERT_TRUE(map.Unpin());
  EXPECT_THAT(folder_.Names(), IsEmpty());
}

TEST_F(MapPin, OtherFileSystemsAndObjectsAreRefused) {
  Map map = Create();
  EXPECT_THAT(map.Pin("/dev/shm/strata-no-bpf-file-system").error().message(), HasSubstr("is no BPF file system"));
  auto objects = Load(STRATA_BPF_MAPS, {.programs = {"target"}}).value();
  const UniqueFd program(::bpf_prog_get_fd_by_id(objects.FindProgram("target").value()->info().id));
  ASSERT_EQ(::bpf_obj_pin(program.get(), folder_.Path("program").c_str()), 0);
  const auto opened = Map::OpenPinned(backend_, folder_.Path("program"));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(opened.error().message(), HasSubstr("/program: is a prog, not a map"));
}

TEST_F(MapPin, AHandleMayBeOpenedForReadingAlone) {
  Map map = Create();
  ASSERT_TRUE(map.Pin(folder_.Path("one")));
  auto readable = Numbers::From(Map::OpenPinned(backend_, folder_.Path("one"), MapAccess::kReadOnly).value()).value();
  EXPECT_FALSE(readable.Lookup(1)->has_value());
  EXPECT_EQ(readable.Update(1, 1).error().code(), ErrorCode::kPermissionDenied);
  auto writable = Numbers::From(Map::OpenPinned(backend_, folder_.Path("one"), MapAccess::kWriteOnly).value()).value();
  EXPECT_TRUE(writable.Update(1, 1));
  EXPECT_EQ(writable.Lookup(1).error().code(), ErrorCode::kPermissionDenied);
}

TEST(MapPinUserspace, PlacesOutsideOfTheSessionAreRefused) {
  std::string folder = "/dev/shm/strata-pin-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  {
    const auto backend =
        OpenBackend("userspace", {.session = "test", .runtime_folder = folder, .agent_path = {}}).value();
    MapSpec spec;
    spec.name = "m";
    spec.type = MapType::kArray;
    spec.key_size = spec.value_size = 4;
    spec.max_entries = 1;
    Map map = Map::Create(backend, spec).value();
    EXPECT_EQ(map.Pin("/sys/fs/bpf/x").error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(Map::OpenPinned(backend, "/sys/fs/bpf/x").error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(Map::FromDescriptor(backend, 0).error().code(), ErrorCode::kInvalidArgument);
    ASSERT_TRUE(map.Pin("x"));
    EXPECT_EQ(map.pin_path(), folder + "/test/pinned/x");
    EXPECT_TRUE(map.Unpin());
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace strata
