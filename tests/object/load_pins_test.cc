// Maps pinned by name, used again, replaced; maps given by the caller.
#include <cerrno>

#include "bpf_folder.h"
#include "kernel_fixture.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LoadPins : public testing::KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    if (backend_ != nullptr && !folder_.is_mounted()) GTEST_SKIP() << "lacks the right to mount a BPF file system";
  }
  LoadOptions Options(PinPolicy policy = PinPolicy::kReuse) {
    LoadOptions options;
    options.pin_folder = folder_.path();
    options.pin_policy = policy;
    options.programs = {"counts", "reads_setting"};
    return options;
  }
  std::uint32_t PinnedId(const std::string& name) {
    return Map::OpenPinned(backend_, folder_.Path(name)).value().info().id;
  }
  using Counters = HashMap<std::uint32_t, std::uint64_t>;

  testing::BpfFolder folder_;
};

TEST_F(LoadPins, MapsThatAskForItArePinnedByName) {
  auto objects = Load(STRATA_BPF_MAPS, Options());
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(folder_.Names(), ElementsAre("counters", "settings"));
  EXPECT_EQ(objects->FindMap("counters").value()->pin_path(), folder_.Path("counters"));
  EXPECT_EQ(PinnedId("counters"), objects->FindMap("counters").value()->info().id);
}

TEST_F(LoadPins, WithoutAFolderNothingIsPinned) {
  LoadOptions options = Options();
  options.pin_folder.clear();
  auto objects = Load(STRATA_BPF_MAPS, options);
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_EQ(objects->FindMap("counters").value()->pin_path(), "");
}

TEST_F(LoadPins, AnotherLoadGoesOnWithTheSameMaps) {
  auto first = Load(STRATA_BPF_MAPS, Options()).value();
  EXPECT_EQ(testing::RunOnPacket(first, "counts", 3), 1);
  auto second = Load(STRATA_BPF_MAPS, Options()).value();
  EXPECT_EQ(testing::RunOnPacket(second, "counts", 3), 2);
  EXPECT_EQ(testing::RunOnPacket(first, "counts", 3), 3);
  EXPECT_EQ(**second.FindMap<Counters>("counters")->Lookup(3), 3U);
}

TEST_F(LoadPins, AFolderThatIsMissingIsMade) {
  LoadOptions options = Options();
  options.pin_folder = folder_.Path("deeper");
  ASSERT_TRUE(Load(STRATA_BPF_MAPS, options));
  EXPECT_THAT(folder_.Names("deeper"), ElementsAre("counters", "settings"));
}

TEST_F(LoadPins, AnIncompatibleMapIsRefusedByField) {
  ASSERT_TRUE(Load(STRATA_BPF_MAPS, Options()));
  const std::uint32_t id = PinnedId("counters");
  auto spec = LoadCollectionSpec(STRATA_BPF_MAPS).value();
  spec.maps.at("counters").max_entries = 17;
  const Error error = ErrorOf(LoadCollection(backend_, std::move(spec), Options()));
  EXPECT_EQ(error.code(), ErrorCode::kMapIncompatible);
  EXPECT_THAT(error.message(), HasSubstr("/counters: map counters: max_entries: expected 17, the existing map (id " +
                                         std::to_string(id) + ") has 16"));
  EXPECT_EQ(PinnedId("counters"), id);
}

TEST_F(LoadPins, DifferencesThatMeanNothingAreIgnored) {
  auto spec = LoadCollectionSpec(STRATA_BPF_MAPS).value();
  MapSpec& ring = spec.maps.at("unused");
  ring.type = MapType::kRingBuf;
  ring.max_entries = 5000;  // 8192 in the end
  ring.pinning = PinType::kByName;
  MapSpec& devices = spec.maps.at("settings");
  devices.type = MapType::kDevMap;  // which the kernel makes read-only for programs
  MapSpec& data = spec.maps.at(".data.samples");
  data.pinning = PinType::kByName;
  LoadOptions options = Options();
  options.programs = {"target"};
  for (int load = 0; load < 2; ++load) {
    const auto objects = LoadCollection(backend_, spec, options);
    ASSERT_TRUE(objects) << objects.error().message();
  }
  EXPECT_THAT(folder_.Names(), ElementsAre("_data_samples", "counters", "settings", "unused"));
}

TEST_F(LoadPins, ThePolicyMayForbidAnExistingPin) {
  ASSERT_TRUE(Load(STRATA_BPF_MAPS, Options(PinPolicy::kFail)));
  const Error error = ErrorOf(Load(STRATA_BPF_MAPS, Options(PinPolicy::kFail)));
  EXPECT_EQ(error.sys_errno(), EEXIST);
  EXPECT_THAT(error.message(), HasSubstr("is pinned at " + folder_.Path("counters") + " already"));
}

TEST_F(LoadPins, NewMapsTakeThePlaceOfOldOnes) {
  auto old = Load(STRATA_BPF_MAPS, Options()).value();
  EXPECT_EQ(testing::RunOnPacket(old, "counts", 3), 1);
  auto spec = LoadCollectionSpec(STRATA_BPF_MAPS).value();
  spec.maps.at("counters").max_entries = 100;
  auto replaced = LoadCollection(backend_, std::move(spec), Options(PinPolicy::kReplace));
  ASSERT_TRUE(replaced) << replaced.error().message();
  EXPECT_EQ(PinnedId("counters"), replaced->FindMap("counters").value()->info().id);
  EXPECT_THAT(folder_.Names(), ElementsAre("counters", "settings"));
  EXPECT_EQ(testing::RunOnPacket(*replaced, "counts", 3), 1);
  EXPECT_EQ(testing::RunOnPacket(old, "counts", 3), 2);  // the old programs have the old map
}

TEST_F(LoadPins, AFailedLoadLeavesOldPinsAndNoNewOnes) {
  ASSERT_TRUE(Load(STRATA_BPF_MAPS, Options()));
  const std::uint32_t id = PinnedId("counters");
  ASSERT_EQ(::unlink(folder_.Path("settings").c_str()), 0);
  for (const PinPolicy policy : {PinPolicy::kReplace, PinPolicy::kReuse}) {
    LoadOptions options = Options(policy);
    options.programs.push_back("reads_nowhere");
    EXPECT_EQ(ErrorOf(Load(STRATA_BPF_MAPS, options)).code(), ErrorCode::kVerifierRejected);
    EXPECT_THAT(folder_.Names(), ElementsAre("counters"));
    EXPECT_EQ(PinnedId("counters"), id);
  }
}

// The second of two pins cannot be put in place.
TEST_F(LoadPins, PinsAreReplacedTogetherOrNotAtAll) {
  ASSERT_TRUE(Load(STRATA_BPF_MAPS, Options()));
  const std::uint32_t id = PinnedId("counters");
  ASSERT_EQ(::unlink(folder_.Path("settings").c_str()), 0);
  // A folder where the old pin would be kept: a link cannot be made of it, nor of a name that is taken.
  const std::string backup = folder_.Path("settings__old_") + std::to_string(::getpid());
  ASSERT_EQ(::mkdir(backup.c_str(), 0700), 0);
  {
    MapSpec array;
    array.name = "settings";
    array.type = MapType::kArray;
    array.key_size = array.value_size = 4;
    array.max_entries = 4;
    ASSERT_TRUE(Map::Create(backend_, array)->Pin(folder_.Path("settings")));
  }
  const std::uint32_t settings_id = PinnedId("settings");
  EXPECT_EQ(ErrorOf(Load(STRATA_BPF_MAPS, Options(PinPolicy::kReplace))).sys_errno(), EEXIST);
  EXPECT_EQ(PinnedId("counters"), id);
  EXPECT_EQ(PinnedId("settings"), settings_id);
  ASSERT_EQ(::rmdir(backup.c_str()), 0);
  EXPECT_THAT(folder_.Names(), ElementsAre("counters", "settings"));
}

TEST_F(LoadPins, WhatIsNoMapIsNotReplaced) {
  ASSERT_EQ(::mkdir(folder_.Path("counters").c_str(), 0700), 0);
  for (const PinPolicy policy : {PinPolicy::kReplace, PinPolicy::kReuse}) {
    EXPECT_FALSE(Load(STRATA_BPF_MAPS, Options(policy)));
    EXPECT_THAT(folder_.Names(), ElementsAre("counters"));
  }
}

TEST_F(LoadPins, TheCallersMapStandsForTheObjects) {
  auto first = Load(STRATA_BPF_MAPS, {.programs = {"counts"}}).value();
  EXPECT_EQ(testing::RunOnPacket(first, "counts", 5), 1);
  auto second =
      Load(STRATA_BPF_MAPS, {.programs = {"counts"}, .maps = {{"counters", first.FindMap("counters").value()}}});
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(testing::RunOnPacket(*second, "counts", 5), 2);
  EXPECT_EQ(second->FindMap("counters").value()->info().id, first.FindMap("counters").value()->info().id);
}

TEST_F(LoadPins, TheCallersDataSectionKeepsItsContents) {
  auto first = Load(STRATA_BPF_MAPS, {.programs = {"reads_sample"}});
  ASSERT_FALSE(first);  // it reads past the end, as it is
  auto spec = LoadCollectionSpec(STRATA_BPF_MAPS).value();
  ASSERT_TRUE(ResizeDataSection(spec, ".data.samples", 8 + 64 * 8));
  auto one = LoadCollection(backend_, spec, {.programs = {"reads_sample"}}).value();
  ASSERT_TRUE(one.FindVariable("factor")->Set(std::uint64_t{10}));
  auto two =
      LoadCollection(backend_, spec,
                     {.programs = {"reads_sample"}, .maps = {{".data.samples", one.FindMap(".data.samples").value()}}});
  ASSERT_TRUE(two) << two.error().message();
  EXPECT_EQ(testing::RunOnPacket(*two, "reads_sample", 2), 30);
  EXPECT_EQ(*two->FindVariable("factor")->Get<std::uint64_t>(), 10U);
}

TEST_F(LoadPins, TheCallersMapHasToFit) {
  auto objects = Load(STRATA_BPF_MAPS, {.programs = {"counts"}}).value();
  const Error error = ErrorOf(
      Load(STRATA_BPF_MAPS, {.programs = {"counts"}, .maps = {{"counters", objects.FindMap("settings").value()}}}));
  EXPECT_EQ(error.code(), ErrorCode::kMapIncompatible);
  EXPECT_THAT(error.message(), HasSubstr("the map given for it: map counters: type: expected hash, the existing map"));
  EXPECT_THAT(ErrorOf(Load(STRATA_BPF_MAPS, {.maps = {{"nope", objects.FindMap("settings").value()}}})).message(),
              HasSubstr("no map named nope (there is: .data.samples, counters"));
}

// The kernel empties a prog array when no process has a handle of it.
TEST_F(LoadPins, APinnedProgArrayStaysFilled) {
  auto spec = LoadCollectionSpec(STRATA_BPF_MAPS).value();
  spec.maps.at("jumps").pinning = PinType::kByName;
  LoadOptions options = Options();
  options.programs = {"jumps_to_target"};
  { ASSERT_TRUE(LoadCollection(backend_, spec, options)); }
  auto pinned = ProgArray::From(Map::OpenPinned(backend_, folder_.Path("jumps")).value()).value();
  EXPECT_TRUE(pinned.LookupId(1)->has_value());
}

TEST_F(LoadPins, ProgramsKeepTheMapsThatTheyUse) {
  std::shared_ptr<BackendProgram> program;
  std::uint32_t array = 0;
  {
    auto objects = Load(STRATA_BPF_MAPS, {.programs = {"jumps_to_target"}}).value();
    program = objects.FindProgram("jumps_to_target").value()->backend_program();
    array = objects.FindMap("jumps").value()->info().id;
  }
  auto jumps = ProgArray::From(Map::Open(backend_, array).value()).value();
  EXPECT_TRUE(jumps.LookupId(1)->has_value());
}

}  // namespace
}  // namespace strata
