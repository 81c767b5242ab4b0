// Maps that hold programs and maps from the start, by what programs find in them.
#include "kernel_fixture.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

class InitialSlots : public testing::KernelTest {
 protected:
  static void SetValue(Collection& objects, std::string_view map, std::uint32_t value) {
    ASSERT_TRUE(objects.FindMap<Array<std::uint32_t>>(map)->Update(0, value));
  }
};

TEST_F(InitialSlots, TailCallsGoThroughThem) {
  auto objects = Load(STRATA_BPF_INITIAL_SLOTS);
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  EXPECT_EQ(testing::RunOnPacket(*objects, "calls_slot_of_mark", 1), 101);
  EXPECT_EQ(testing::RunOnPacket(*objects, "calls_slot_of_mark", 5), 105);
  EXPECT_EQ(testing::RunOnPacket(*objects, "calls_slot_of_mark", 2), -1);
}

TEST_F(InitialSlots, OuterMapsHoldTheInnerOnes) {
  auto objects = Load(STRATA_BPF_INITIAL_SLOTS);
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  SetValue(*objects, "first", 11);
  SetValue(*objects, "third", 33);
  EXPECT_EQ(testing::RunOnPacket(*objects, "reads_map_of_mark", 0), 11);
  EXPECT_EQ(testing::RunOnPacket(*objects, "reads_map_of_mark", 1), -1);
  EXPECT_EQ(testing::RunOnPacket(*objects, "reads_map_of_mark", 2), 33);
  EXPECT_EQ(testing::RunOnPacket(*objects, "reads_numbered_map_of_mark", 3), 33);
  EXPECT_EQ(testing::RunOnPacket(*objects, "reads_numbered_map_of_mark", 2), -1);
}

TEST_F(InitialSlots, AProgramThatIsNotLoadedLeavesItsSlotEmpty) {
  auto objects = LoadOnly(STRATA_BPF_INITIAL_SLOTS, {"target_of_one", "calls_slot_of_mark"});
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_EQ(testing::RunOnPacket(*objects, "calls_slot_of_mark", 1), 101);
  EXPECT_EQ(testing::RunOnPacket(*objects, "calls_slot_of_mark", 5), -1);
}

TEST_F(InitialSlots, WithoutATemplateTheFirstHeldMapIsOne) {
  auto spec = LoadCollectionSpec(STRATA_BPF_INITIAL_SLOTS).value();
  spec.maps.at("maps").inner.clear();
  auto objects = LoadCollection(backend_, std::move(spec));
  ASSERT_TRUE(objects) << objects.error().message();
  SetValue(*objects, "third", 34);
  EXPECT_EQ(testing::RunOnPacket(*objects, "reads_map_of_mark", 2), 34);
}

TEST_F(InitialSlots, UnknownNamesAreRefusedWithTheirPlace) {
  auto spec = LoadCollectionSpec(STRATA_BPF_INITIAL_SLOTS).value();
  spec.maps.at("programs").slots.push_back({7, "nobody"});
  EXPECT_THAT(ErrorOf(LoadCollection(backend_, spec)).message(),
              HasSubstr("map programs: slot 7: refers to program nobody, which does not exist"));
  spec.maps.at("programs").slots.pop_back();
  spec.maps.at("maps").slots.push_back({3, "nothing"});
  EXPECT_THAT(ErrorOf(LoadCollection(backend_, spec)).message(), HasSubstr("map maps: slot 3: "));
}

TEST_F(InitialSlots, AMapUnlikeTheTemplateIsRefusedWithTheReason) {
  auto spec = LoadCollectionSpec(STRATA_BPF_INITIAL_SLOTS).value();
  spec.maps.at("third").value_size = 16;
  spec.maps.at("third").value_type = btf::kVoid;
  const Error error = ErrorOf(LoadCollection(backend_, std::move(spec)));
  EXPECT_THAT(error.message(), HasSubstr("map maps: slot 2: "));
  EXPECT_THAT(error.message(), HasSubstr("differs from the template"));
}

TEST_F(InitialSlots, AProgramOfAnotherTypeIsRefusedWithTheReason) {
  auto spec = LoadCollectionSpec(STRATA_BPF_INITIAL_SLOTS).value();
  spec.programs.at("target_of_five").type_of_program = ProgramType::kSocketFilter;
  const Error error = ErrorOf(LoadCollection(backend_, std::move(spec)));
  EXPECT_THAT(error.message(), HasSubstr("map programs: slot 5: "));
  EXPECT_THAT(error.message(), HasSubstr("programs of one type"));
}

TEST_F(InitialSlots, BytesOfALegacyDefinitionThatNobodyReadsAreRefused) {
  auto spec = LoadCollectionSpec(STRATA_BPF_INITIAL_SLOTS).value();
  spec.maps.at("first").extra.resize(4);
  EXPECT_THAT(ErrorOf(LoadCollection(backend_, std::move(spec))).message(),
              HasSubstr("map first: its definition has 4 bytes"));
}

}  // namespace
}  // namespace strata
