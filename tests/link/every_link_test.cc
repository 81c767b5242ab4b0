// What every link of the kernel can do, whatever its kind: be found by its id, be pinned, take another program, be
// detached for all who hold it.
#include <unistd.h>

#include "every_link.h"

namespace strata::testing {
namespace {

class EveryLink : public EveryLinkTest, public ::testing::WithParamInterface<LinkKindRow> {
 protected:
  // Some kernels let go of a link after a grace period. The bound only ends a test that fails.
  bool GoesAway(std::uint32_t id) const {
    for (int attempt = 0; attempt < 10'000; ++attempt) {
      const auto link = OpenLink(backend_, id);
      if (!link) return link.error().code() == ErrorCode::kNotFound;
      ::usleep(1000);
    }
    return false;
  }
};

TEST_P(EveryLink, IsFoundByItsIdAndByItsPin) {
  const LinkKindRow& row = GetParam();
  std::uint32_t id = 0;
  {
    auto link = Attach(row);
    ASSERT_TRUE(link) << link.error().message();
    id = link->id();
    ASSERT_NE(id, 0U);
    const LinkInfo own = link->Info().value();
    EXPECT_EQ(own.kind, row.kind);
    EXPECT_EQ(own.program_id, ProgramOf(row).info().id);
    const LinkInfo opened = OpenLink(backend_, id).value().Info().value();
    EXPECT_EQ(opened.kind, row.kind_by_id.empty() ? row.kind : row.kind_by_id);
    EXPECT_EQ(opened.id, id);
    EXPECT_EQ(opened.program_id, own.program_id);
    const auto pinned = link->Pin(kPin);
    ASSERT_TRUE(pinned) << pinned.error().message();
  }
  {
    const auto link = OpenPinnedLink(backend_, kPin);
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_EQ(link->id(), id) << "the pin kept it";
    EXPECT_EQ(link->Info()->program_id, ProgramOf(row).info().id);
    ASSERT_EQ(::unlink(kPin), 0);
  }
  EXPECT_TRUE(GoesAway(id)) << "nobody holds it any more";
}

TEST_P(EveryLink, TakesAnotherProgramOrSaysThatItCannot) {
  const LinkKindRow& row = GetParam();
  auto link = Attach(row);
  ASSERT_TRUE(link) << link.error().message();
  const Program& other = OtherProgramOf(row);
  if (!row.can_be_updated) {
    const auto updated = link->Update(other);
    ASSERT_FALSE(updated);
    EXPECT_EQ(updated.error().code(), ErrorCode::kNotSupported) << updated.error().message();
    EXPECT_EQ(link->Info()->program_id, ProgramOf(row).info().id);
    return;
  }
  EXPECT_EQ(link->Update(other, other).error().code(), ErrorCode::kBusy) << "another one is attached";
  EXPECT_EQ(link->Info()->program_id, ProgramOf(row).info().id);
  const auto updated = link->Update(other, ProgramOf(row));
  ASSERT_TRUE(updated) << updated.error().message();
  EXPECT_EQ(OpenLink(backend_, link->id())->Info()->program_id, other.info().id);
  ASSERT_TRUE(link->Update(ProgramOf(row))) << "whatever is attached";
  EXPECT_EQ(link->Info()->program_id, ProgramOf(row).info().id);
}

// The last handle detaches; who opened it by its id detaches it for all.
TEST_P(EveryLink, GivesItsPlaceBack) {
  const LinkKindRow& row = GetParam();
  auto link = Attach(row);
  ASSERT_TRUE(link) << link.error().message();
  if (row.is_alone) {
    const auto second = Attach(row);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), ErrorCode::kBusy) << second.error().message();
    ASSERT_TRUE(OpenLink(backend_, link->id()).value().Detach());
    EXPECT_TRUE(Attach(row)) << "the first handle is still there, its program is not";
  }
  const std::uint32_t id = link->id();
  ASSERT_TRUE(std::move(*link).Detach());
  EXPECT_TRUE(GoesAway(id));
  EXPECT_TRUE(Attach(row));
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryLink, ::testing::ValuesIn(LinkKindRows().begin(), LinkKindRows().end()),
                         [](const auto& row) { return std::string(row.param.kind); });

}  // namespace
}  // namespace strata::testing
