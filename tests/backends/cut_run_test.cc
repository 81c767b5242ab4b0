// What a run that is ended from outside leaves. The kernel's verifier lets no such program in.
#include "fixture.h"

namespace strata {
namespace {

using CutRun = strata::testing::BackendTest<strata::testing::UserspaceKind>;

TEST_F(CutRun, LeavesNoRecordThatKeepsTheReaderWaiting) {
  auto loaded = LoadCollection(this->backend_, std::string(STRATA_BPF_CUT_RUN));
  ASSERT_TRUE(loaded) << loaded.error().message();
  Collection objects = *std::move(loaded);
  auto reader = RingReader::Open(**objects.FindMap("events")).value();
  EXPECT_EQ((*objects.FindProgram("keeps_a_record"))->TestRun()->return_value, 0U);
  EXPECT_EQ((*objects.FindProgram("sends_a_record"))->TestRun()->return_value, 1U);
  std::vector<std::uint64_t> values;
  const auto on_record = [&](std::span<const std::byte> record) {
    std::uint64_t value = 0;
    std::memcpy(&value, record.data(), sizeof(value));
    values.push_back(value);
    return true;
  };
  EXPECT_EQ(*reader.Consume(on_record), 1U);
  EXPECT_THAT(values, ::testing::ElementsAre(77U));
}

}  // namespace
}  // namespace strata
