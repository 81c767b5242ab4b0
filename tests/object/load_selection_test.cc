// Objects loaded in part, and programs that cannot be loaded.
#include <atomic>

#include "kernel_fixture.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class LoadSelectionTest : public testing::KernelTest {
 protected:
  static std::vector<std::string> Names(const auto& objects) {
    std::vector<std::string> names;
    for (const auto& [name, unused] : objects) names.push_back(name);
    return names;
  }
  Result<Collection> LoadLazily(std::vector<std::string> programs, std::vector<std::string> maps = {}) {
    return Load(STRATA_BPF_MAPS,
                {.programs = std::move(programs), .unused_maps = UnusedMaps::kSkip, .maps_to_keep = std::move(maps)});
  }
};

TEST_F(LoadSelectionTest, OnlyWhatIsNamedAndReachedIsMade) {
  auto objects = LoadLazily({"counts"});
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(Names(objects->programs()), ElementsAre("counts"));
  EXPECT_THAT(Names(objects->maps()), ElementsAre("counters"));
  EXPECT_EQ(testing::RunOnPacket(*objects, "counts", 1), 1);
}

TEST_F(LoadSelectionTest, MapsOfSubprogramsAreReached) {
  auto objects = LoadLazily({"reads_setting"});
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(Names(objects->maps()), ElementsAre("settings"));
}

TEST_F(LoadSelectionTest, ProgramsOfAProgArrayAreReached) {
  auto objects = LoadLazily({"jumps_to_target"});
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(Names(objects->programs()), ElementsAre("jumps_to_target", "target"));
  EXPECT_EQ(testing::RunOnPacket(*objects, "jumps_to_target"), 7);
}

TEST_F(LoadSelectionTest, InnerMapsAreReached) {
  auto objects = Load(STRATA_BPF_INITIAL_SLOTS, {.programs = {"reads_map_of_mark"}, .unused_maps = UnusedMaps::kSkip});
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(Names(objects->maps()), ElementsAre("first", "maps", "third"));
}

TEST_F(LoadSelectionTest, UnusedMapsAreMadeUnlessItIsAskedOtherwise) {
  auto objects = Load(STRATA_BPF_MAPS, {.programs = {"counts"}});
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(Names(objects->maps()),
              ElementsAre(".data.samples", "counters", "jumps", "locked", "settings", "storage", "unused"));
  objects = LoadLazily({"counts"}, {"unused"});
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(Names(objects->maps()), ElementsAre("counters", "unused"));
}

TEST_F(LoadSelectionTest, NamesDecideAndNotTheSectionsMark) {
  auto objects = LoadLazily({"target"});
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(Names(objects->maps()), IsEmpty());
  const Error error = ErrorOf(LoadLazily({"reads_nowhere"}));  // "?tc"
  EXPECT_EQ(error.code(), ErrorCode::kVerifierRejected);
}

TEST_F(LoadSelectionTest, UnknownNamesListWhatThereIs) {
  EXPECT_THAT(ErrorOf(LoadLazily({"nope"})).message(),
              HasSubstr("no program named nope (there is: counts, jumps_to_target"));
  EXPECT_EQ(ErrorOf(LoadLazily({"counts"}, {"nope"})).code(), ErrorCode::kNotFound);
}

TEST_F(LoadSelectionTest, ABadProgramMayBeLeftOut) {
  auto objects = Load(STRATA_BPF_MAPS, {.programs = {"counts", "reads_nowhere", "reads_sample"},
                                        .on_program_error = OnProgramError::kSkip});
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(Names(objects->programs()), ElementsAre("counts"));
  EXPECT_THAT(Names(objects->skipped()), ElementsAre("reads_nowhere", "reads_sample"));
  const Error& error = objects->skipped().at("reads_nowhere");
  EXPECT_EQ(error.code(), ErrorCode::kVerifierRejected);
  EXPECT_FALSE(error.log().empty());
  EXPECT_EQ(testing::RunOnPacket(*objects, "counts", 1), 1);
}

TEST_F(LoadSelectionTest, ALoadWithoutAnyProgramIsAnError) {
  const Error error =
      ErrorOf(Load(STRATA_BPF_MAPS, {.programs = {"reads_nowhere"}, .on_program_error = OnProgramError::kSkip}));
  EXPECT_EQ(error.code(), ErrorCode::kVerifierRejected);
}

TEST_F(LoadSelectionTest, AMapThatCannotBeMadeLeavesOutItsPrograms) {
  auto spec = LoadCollectionSpec(STRATA_BPF_MAPS).value();
  spec.maps.at("settings").flags = 1U << 30;
  auto objects = LoadCollection(backend_, std::move(spec),
                                {.programs = {"counts", "reads_setting"}, .on_program_error = OnProgramError::kSkip});
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(Names(objects->skipped_maps()), ElementsAre("settings"));
  EXPECT_THAT(objects->skipped().at("reads_setting").message(), HasSubstr("map settings: creating it"));
}

TEST_F(LoadSelectionTest, TheTailOfADataSectionGrows) {
  auto spec = LoadCollectionSpec(STRATA_BPF_MAPS).value();
  ASSERT_TRUE(ResizeDataSection(spec, ".data.samples", 8 + 64 * 8));
  EXPECT_EQ(spec.variables.at("samples").value.size(), 512U);
  auto objects = LoadCollection(backend_, std::move(spec), {.programs = {"reads_sample"}});
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  EXPECT_EQ(testing::RunOnPacket(*objects, "reads_sample", 3), 4);
  EXPECT_EQ(testing::RunOnPacket(*objects, "reads_sample", 63), 0);
  auto samples = objects->FindVariable("samples").value();
  auto* const values = samples.Pointer<std::array<std::uint64_t, 64>>().value();
  std::atomic_ref((*values)[63]).store(99);
  EXPECT_EQ(testing::RunOnPacket(*objects, "reads_sample", 63), 99);
}

TEST_F(LoadSelectionTest, SizesThatCutAVariableAreRefused) {
  auto spec = LoadCollectionSpec(STRATA_BPF_MAPS).value();
  EXPECT_THAT(
      ResizeDataSection(spec, ".data.samples", 8 + 20).error().message(),
      HasSubstr("map .data.samples: another size: 20 bytes are left for variable samples, whose elements have 8"));
  EXPECT_THAT(ResizeDataSection(spec, ".data.samples", 4).error().message(),
              HasSubstr("variable samples begins behind it"));
  EXPECT_THAT(ResizeDataSection(spec, "counters", 64).error().message(), HasSubstr("is no section of data"));
  EXPECT_EQ(ResizeDataSection(spec, "nope", 64).error().code(), ErrorCode::kNotFound);
  spec.maps.at(".data.samples").value_size = 16;
  EXPECT_THAT(ErrorOf(LoadCollection(backend_, std::move(spec), {.programs = {"target"}})).message(),
              HasSubstr("map .data.samples: value_size: 16 bytes have no room for 40 bytes of contents"));
}

}  // namespace
}  // namespace strata
