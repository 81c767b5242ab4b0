#include "strata/link/attach_all.h"

#include <unistd.h>

#include "backends/fixture.h"
#include "backends/targets.h"
#include "sections.skel.h"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;

template <typename Kind>
class AttachAllTest : public BackendTest<Kind> {};
TYPED_TEST_SUITE(AttachAllTest, BackendKinds, BackendNames);

TYPED_TEST(AttachAllTest, AttachesWhatSaysWhereAndNamesTheOthers) {
  auto objects = Sections::Load(this->backend_).value();
  auto attached = objects.AttachAll({.pid = ::getpid()}).value();
  ASSERT_EQ(attached.links.size(), 1U);
  ASSERT_EQ(attached.skipped.size(), 1U);
  EXPECT_EQ(attached.skipped[0].program, "anywhere");
  EXPECT_THAT(attached.skipped[0].reason.message(), HasSubstr("names no place"));
  EXPECT_EQ(strata_test_add(1, 2, 3), 6);
  EXPECT_EQ(objects.bss().adds, 1U);
  attached.links.clear();
  EXPECT_EQ(strata_test_add(1, 2, 3), 6);
  EXPECT_EQ(objects.bss().adds, 1U);
}

TYPED_TEST(AttachAllTest, FailsAsAWholeWhereAPlaceDoesNotExist) {
  auto spec = Sections::Open().value();
  spec.programs().nowhere.autoload = true;
  auto objects = std::move(spec).Load(this->backend_).value();
  const auto attached = objects.AttachAll({.pid = ::getpid()});
  ASSERT_FALSE(attached);
  EXPECT_EQ(attached.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(attached.error().message(), HasSubstr("no_such_function"));
  EXPECT_EQ(strata_test_add(1, 2, 3), 6);
  EXPECT_EQ(objects.bss().adds, 0U);
}

TYPED_TEST(AttachAllTest, LeavesOutWhatIsNotLoaded) {
  auto spec = Sections::Open().value();
  spec.programs().on_add.autoload = false;
  auto objects = std::move(spec).Load(this->backend_).value();
  EXPECT_EQ(objects.programs().on_add, nullptr);
  EXPECT_EQ(objects.programs().nowhere, nullptr);
  ASSERT_NE(objects.programs().anywhere, nullptr);
  EXPECT_TRUE(objects.AttachAll().value().links.empty());
}

}  // namespace
}  // namespace strata::testing
