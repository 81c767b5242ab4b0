// What the userspace backend says that it can do, next to its tables.
#include "strata/backend/feature.h"

#include <gtest/gtest.h>

#include "backend_fixture.h"
#include "strata/backend/userspace/runtime/helpers/table.h"
#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/spec/map_rules.h"

namespace strata {
namespace {

class UserspaceFeatures : public UserspaceBackendTest {
 protected:
  Support Ask(const Feature& feature) { return backend().Probe(feature).support; }
  // One that suits the rules of its kind.
  static MapSpec SpecOf(MapType type) {
    const MapRules& rules = *FindMapRules(type);
    const auto size_of = [](const SizeRule& rule) {
      return rule.kind == SizeRule::Kind::kNone ? 0 : rule.size == 0 ? 8 : rule.size;
    };
    return Spec(type, size_of(rules.key), size_of(rules.value), 4096, rules.required_flags);
  }
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
    MapSpec spec = SpecOf(kind.type);
    if ((kind.ops->traits & runtime::map_traits::kHoldsMaps) != 0) spec.inner = {Spec(MapType::kArray, 4, 8, 1)};
    EXPECT_TRUE(backend().CreateMap(spec, nullptr)) << kind.name;
  }
  for (const runtime::HelperRow& helper : runtime::Helpers()) {
    EXPECT_EQ(Ask(HelperFeature{helper.id, ProgramType::kKprobe}), Support::kYes) << helper.name;
  }
}

TEST_F(UserspaceFeatures, LackWhatOnlyAKernelHas) {
  EXPECT_EQ(Ask(MapTypeFeature{MapType::kSockMap}), Support::kNo);
  EXPECT_EQ(Ask(ProgramTypeFeature{ProgramType::kXdp}), Support::kNo);
  EXPECT_EQ(Ask(HelperFeature{44, ProgramType::kKprobe}), Support::kNo);
  EXPECT_EQ(Ask(LinkKind::kXdp), Support::kNo);
  const Error error = NotSupported(LinkKind::kXdp, backend().Probe(LinkKind::kXdp));
  EXPECT_EQ(error.message(), "link kind xdp: not supported (needs Linux 5.9): not on the userspace backend");
}

TEST_F(UserspaceFeatures, PinsElsewhereAreRefused) {
  const auto program = MakeProgram();
  const auto pinned = program->Pin("/nowhere");
  ASSERT_FALSE(pinned);
  EXPECT_EQ(pinned.error().code(), ErrorCode::kInvalidArgument) << pinned.error().message();
  const auto opened = backend().OpenPinnedProgram("/nowhere");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace strata
