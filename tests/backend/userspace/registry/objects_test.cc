// Objects of one loader, seen from another.
#include "registry_fixture.h"
#include "strata/btf/btf.h"
#include "strata/btf/builder.h"

namespace strata {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class ObjectsTest : public RegistryTest {
 protected:
  // What an agent does when the program ran `runs` times.
  void CountRuns(std::uint32_t link, std::uint64_t runs) {
    AsAgent([&](runtime::Process&, int folder) {
      runtime::LinkView view;
      ASSERT_EQ(runtime::MapLink(folder, link, &view, nullptr), 0);
      __atomic_fetch_add(&runtime::CountersOf(view, 0).run_count, runs, __ATOMIC_RELAXED);
      runtime::UnmapLink(&view);
    });
  }
  std::uint32_t FlagsOf(std::uint32_t link) {
    std::uint32_t flags = 0;
    AsAgent([&](runtime::Process&, int folder) {
      runtime::LinkView view;
      ASSERT_EQ(runtime::MapLink(folder, link, &view, nullptr), 0);
      flags = runtime::FlagsOf(view);
      runtime::UnmapLink(&view);
    });
    return flags;
  }
};

TEST_F(ObjectsTest, AMapsDescriptorIsItsFile) {
  auto map = MakeMap(Spec(MapType::kHash, 4, 8, 4));
  const UniqueFd writable(::open((session_folder() + "/map-1").c_str(), O_RDWR | O_CLOEXEC));
  const UniqueFd readable(::open((session_folder() + "/map-1").c_str(), O_RDONLY | O_CLOEXEC));
  const std::uint32_t key = 1;
  auto opened = backend().MapFromDescriptor(writable.get());
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE((*opened)->Update(BytesOf(key), BytesOf(std::uint64_t{2}), UpdateMode::kAny));
  auto reader = backend().MapFromDescriptor(readable.get()).value();
  std::uint64_t value = 0;
  EXPECT_TRUE(reader->Lookup(BytesOf(key), WritableBytesOf(value)).value());
  EXPECT_EQ(value, 2U);
  EXPECT_EQ(reader->Delete(BytesOf(key)).error().sys_errno(), EPERM);
}

TEST_F(ObjectsTest, OtherDescriptorsAreNoMaps) {
  const UniqueFd root(::open((session_folder() + "/root").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(backend().MapFromDescriptor(root.get()).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(backend().MapFromDescriptor(-1));
}

TEST_F(ObjectsTest, ALinkIsDescribedAndDetachedById) {
  Chain chain = MakeChain(backend());
  auto other = OpenAgain();
  auto opened = other->OpenLink(chain.link->id()).value();
  const LinkInfo info = opened->Info().value();
  EXPECT_EQ(info.kind, "uprobe");
  EXPECT_EQ(info.program_id, chain.program->info().id);
  EXPECT_EQ(info.path, "/proc/self/exe");
  EXPECT_EQ(info.offset, 0x1000U);
  EXPECT_EQ(info.cookie, 99U);
  ASSERT_TRUE(opened->Detach());
  EXPECT_EQ(chain.link->Info().error().sys_errno(), ENOENT);
  EXPECT_TRUE(chain.link->Detach());
}

TEST_F(ObjectsTest, ALinkLivesAsLongAsAnyHandle) {
  Chain chain = MakeChain(backend());
  auto other = OpenAgain();
  auto opened = other->OpenLink(chain.link->id()).value();
  chain = {};
  EXPECT_THAT(Objects(), testing::UnorderedElementsAre("map-1", "prog-2", "link-3"));
  opened.reset();
  EXPECT_THAT(Objects(), IsEmpty());
}

TEST_F(ObjectsTest, StatisticsAreTurnedOnInLinksOfOthersAndOffAgain) {
  Chain chain = MakeChain(backend());
  auto other = OpenAgain();
  EXPECT_EQ(FlagsOf(3), 0U);
  auto guard = other->EnableStats(StatsDetail::kTime).value();
  EXPECT_EQ(FlagsOf(3), runtime::link_flags::kCounted | runtime::link_flags::kTimed);
  auto second = backend().Attach(chain.program, Target(), {}).value();
  EXPECT_EQ(FlagsOf(second->id()), runtime::link_flags::kCounted | runtime::link_flags::kTimed);
  guard.reset();
  EXPECT_EQ(FlagsOf(3), 0U);
  EXPECT_EQ(FlagsOf(second->id()), 0U);
}

TEST_F(ObjectsTest, StatisticsOfAKilledToolGoOffWithTheNextCollection) {
  Chain chain = MakeChain(backend());
  InKilledLoader([](Backend& tool) {
    auto guard = tool.EnableStats(StatsDetail::kCount);
    ::kill(::getpid(), SIGKILL);
  });
  EXPECT_EQ(FlagsOf(3), runtime::link_flags::kCounted);
  Collect();
  EXPECT_EQ(FlagsOf(3), 0U);
}

TEST_F(ObjectsTest, RunsAreCountedAcrossHandlesAndLinksThatAreGone) {
  Chain chain = MakeChain(backend());
  auto other = OpenAgain();
  auto opened = other->OpenProgram(chain.program->info().id).value();
  CountRuns(3, 5);
  EXPECT_EQ(chain.program->Stats()->run_count, 5U);
  EXPECT_EQ(opened->Stats()->run_count, 5U);
  auto by_id = other->OpenLink(3).value();
  ASSERT_TRUE(by_id->Detach());
  EXPECT_EQ(chain.program->Stats()->run_count, 5U);
  chain.link.reset();
  EXPECT_EQ(chain.program->Stats()->run_count, 5U);
  EXPECT_EQ(opened->Stats()->run_count, 5U);
}

TEST_F(ObjectsTest, TypesAreAnObjectThatMapsKeep) {
  btf::Builder builder;
  const btf::TypeId number = builder.Add(btf::Int{.name = "number", .size_bytes = 8, .bits = 64}).value();
  const std::vector<std::byte> bytes = builder.Build().value();
  auto types = backend().LoadTypes(bytes).value();
  MapSpec spec = Spec(MapType::kArray, 4, 8, 1);
  spec.value_type = number;
  auto map = backend().CreateMap(spec, types).value();
  types.reset();
  ASSERT_NE(map->info().btf_id, 0U);
  EXPECT_EQ(backend().List()->types.size(), 1U);
  auto other = OpenAgain();
  const auto read = other->ReadTypes(map->info().btf_id);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ((*read)->Get<btf::Int>(btf::TypeId{map->info().value_type_id})->name, "number");
  map.reset();
  EXPECT_THAT(Objects(), IsEmpty());
}

}  // namespace
}  // namespace strata
