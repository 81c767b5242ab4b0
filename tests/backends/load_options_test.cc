// Loading a part of an object, and with maps that exist, on every backend.
#include "fixture.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Names(const auto& objects) {
  std::vector<std::string> names;
  for (const auto& [name, unused] : objects) names.push_back(name);
  return names;
}

template <typename T>
class LoadOptionsTest : public BackendTest<T> {};
TYPED_TEST_SUITE(LoadOptionsTest, BackendKinds, BackendNames);

TYPED_TEST(LoadOptionsTest, OnlyWhatIsNamedAndReachedIsMade) {
  auto spec = LoadCollectionSpec(STRATA_BPF_VARIABLES).value();
  spec.programs.emplace("copy", spec.programs.at("on_call"));
  MapSpec unused;
  unused.name = "unused";
  unused.type = MapType::kArray;
  unused.key_size = unused.value_size = 4;
  unused.max_entries = 1;
  spec.maps.emplace("unused", unused);
  const auto all = LoadCollection(this->backend_, spec);
  ASSERT_TRUE(all) << all.error().message();
  EXPECT_THAT(Names(all->maps()), ElementsAre(".bss", ".data", ".rodata", "unused"));
  const auto some = LoadCollection(this->backend_, spec, {.programs = {"on_call"}, .unused_maps = UnusedMaps::kSkip});
  ASSERT_TRUE(some) << some.error().message();
  EXPECT_THAT(Names(some->programs()), ElementsAre("on_call"));
  EXPECT_THAT(Names(some->maps()), ElementsAre(".bss", ".data", ".rodata"));
}

TYPED_TEST(LoadOptionsTest, CollectionsShareAMapThatIsGiven) {
  auto first = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  ASSERT_TRUE(first.FindVariable("factor")->Set(std::uint64_t{50}));
  auto second = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES),
                               {.maps = {{".data", first.FindMap(".data").value()}}});
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(*second->FindVariable("factor")->template Get<std::uint64_t>(), 50U);
  ASSERT_TRUE(second->FindVariable("factor")->Set(std::uint64_t{60}));
  EXPECT_EQ(*first.FindVariable("factor")->template Get<std::uint64_t>(), 60U);
}

TYPED_TEST(LoadOptionsTest, AGivenMapHasToFit) {
  auto first = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  const auto second = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES),
                                     {.maps = {{".data", first.FindMap(".bss").value()}}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kMapIncompatible);
  EXPECT_THAT(second.error().message(), HasSubstr("value_size: expected 8, the existing map"));
}

TYPED_TEST(LoadOptionsTest, ABadProgramIsLeftOutWithItsReason) {
  auto spec = LoadCollectionSpec(STRATA_BPF_VARIABLES).value();
  ProgramSpec bad = spec.programs.at("on_call");
  bad.name = "bad";
  bad.unusable = "made so by a test";
  spec.programs.emplace("bad", bad);
  EXPECT_FALSE(LoadCollection(this->backend_, spec));
  const auto objects = LoadCollection(this->backend_, spec, {.on_program_error = OnProgramError::kSkip});
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(Names(objects->programs()), ElementsAre("on_call"));
  EXPECT_THAT(objects->skipped().at("bad").message(), HasSubstr("made so by a test"));
}

TYPED_TEST(LoadOptionsTest, UnknownNamesAreErrors) {
  const auto program = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES), {.programs = {"nope"}});
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().code(), ErrorCode::kNotFound);
  const auto map = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES), {.maps_to_keep = {"nope"}});
  ASSERT_FALSE(map);
  EXPECT_THAT(map.error().message(), HasSubstr("no map named nope (there is: .bss, .data, .rodata)"));
}

TYPED_TEST(LoadOptionsTest, AGrownDataSectionHoldsItsVariables) {
  auto spec = LoadCollectionSpec(STRATA_BPF_VARIABLES).value();
  ASSERT_TRUE(ResizeDataSection(spec, ".bss", 4096));
  auto objects = LoadCollection(this->backend_, std::move(spec));
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  EXPECT_EQ(objects->FindMap(".bss").value()->info().value_size, 4096U);
  ASSERT_TRUE(objects->FindVariable("total")->Set(std::uint64_t{7}));
  EXPECT_EQ(*objects->FindVariable("total")->template Get<std::uint64_t>(), 7U);
}

TEST(LoadOptionsOfUserspace, PinsOfABpfFileSystemAreRefused) {
  const testing::SessionFolder folder;
  const auto backend =
      OpenBackend("userspace", {.session = "test", .runtime_folder = folder.path(), .agent_path = {}}).value();
  auto spec = LoadCollectionSpec(STRATA_BPF_VARIABLES).value();
  spec.maps.at(".data").pinning = PinType::kByName;
  EXPECT_TRUE(LoadCollection(backend, spec));
  const auto pinned = LoadCollection(backend, spec, {.pin_folder = "/sys/fs/bpf"});
  ASSERT_FALSE(pinned);
  EXPECT_EQ(pinned.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(pinned.error().message(), HasSubstr("pins are paths relative to " + folder.path() + "/test/pinned"));
}

}  // namespace
}  // namespace strata
