// What the userspace backend says that it can do, next to its tables.
#include "strata/backend/feature.h"

#include <gtest/gtest.h>

#include "backend_fixture.h"
#include "strata/backend/userspace/runtime/helpers/table.h"
#include "strata/backend/userspace/runtime/map_view.h"

namespace strata {
namespace {

class UserspaceFeatures : public UserspaceBackendTest {
 protected:
  Support Ask(const Feature& feature) { return backend().Probe(feature).support; }
};

TEST_F(UserspaceFeatures, AreSure) {
  for (const Feature& feature : KnownFeatures()) {
    EXPECT_NE(Ask(feature), Support::kInconclusive) << FeatureName(feature);
  }
}

TEST_F(UserspaceFeatures, HaveTheMapsAndHelpersOfTheTables) {
  for (const runtime::MapKind& kind : runtime::MapKinds()) {
    EXPECT_EQ(Ask(MapTypeFeature{kind.type}), Support::kYes) << kind.name;
    if ((kind.ops->traits & runtime::map_traits::kLocalStorage) != 0) continue;  // needs types
    const bool is_ring = kind.type == MapType::kRingBuf;
    const bool holds_objects =
        (kind.ops->traits & runtime::map_traits::kHoldsObjects) != 0 || kind.type == MapType::kCgroupArray;
    MapSpec spec = Spec(kind.type, is_ring ? 0 : 4, is_ring ? 0 : holds_objects ? 4 : 8, 4096);
    if ((kind.ops->traits & runtime::map_traits::kHoldsMaps) != 0) spec.inner = {Spec(MapType::kArray, 4, 8, 1)};
    EXPECT_TRUE(backend().CreateMap(spec, nullptr)) << kind.name;
  }
  for (const runtime::HelperRow& helper : runtime::Helpers()) {
    EXPECT_EQ(Ask(HelperFeature{helper.id, ProgramType::kKprobe}), Support::kYes) << helper.name;
  }
}

TEST_F(UserspaceFeatures, LackWhatOnlyAKernelHas) {
  EXPECT_EQ(Ask(MapTypeFeature{MapType::kArena}), Support::kNo);
  EXPECT_EQ(Ask(ProgramTypeFeature{ProgramType::kXdp}), Support::kNo);
  EXPECT_EQ(Ask(HelperFeature{44, ProgramType::kKprobe}), Support::kNo);
  EXPECT_EQ(Ask(LinkKind::kXdp), Support::kNo);
  const Error error = NotSupported(LinkKind::kXdp, backend().Probe(LinkKind::kXdp));
  EXPECT_EQ(error.message(), "link kind xdp: not supported (needs Linux 5.9): not on the userspace backend");
}

TEST_F(UserspaceFeatures, ProgramsAreNotPinned) {
  const auto program = MakeProgram();
  for (const Error& error : {program->Pin("/nowhere").error(), program->Code().error(), program->MemoryBytes().error(),
                             backend().OpenProgram(1).error(), backend().OpenPinnedProgram("/nowhere").error()}) {
    EXPECT_EQ(error.code(), ErrorCode::kNotSupported) << error.message();
  }
}

}  // namespace
}  // namespace strata
