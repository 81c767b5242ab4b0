// What this kernel can do, as far as it says so; each answer that is yes is proved elsewhere by using it.
#include <fstream>

#include "kernel_fixture.h"
#include "strata/backend/feature.h"

namespace strata {
namespace {

class KernelFeatures : public testing::KernelTest {
 protected:
  Support Ask(const Feature& feature) {
    const FeatureAnswer answer = backend_->Probe(feature);
    EXPECT_TRUE(answer.support == Support::kYes || !answer.reason.empty()) << FeatureName(feature);
    return answer.support;
  }
  // Older than the first kernel that has it: the kernel must say no. Newer ones may lack it by configuration.
  bool IsTooOldFor(const Feature& feature) const {
    return backend_->kernel().Version().value_or(0U) < FirstKernelWith(feature);
  }
};

TEST_F(KernelFeatures, AreAllAnsweredToWhoMayAsk) {
  for (const Feature& feature : KnownFeatures()) {
    const FeatureAnswer answer = backend_->Probe(feature);
    EXPECT_NE(answer.support, Support::kInconclusive) << FeatureName(feature) << ": " << answer.reason;
    if (IsTooOldFor(feature)) {
      EXPECT_EQ(answer.support, Support::kNo) << FeatureName(feature);
    }
  }
}

TEST_F(KernelFeatures, OfTheBaseAreThereInEveryKernel) {
  EXPECT_EQ(Ask(MapTypeFeature{MapType::kHash}), Support::kYes);
  EXPECT_EQ(Ask(MapTypeFeature{MapType::kArrayOfMaps}), Support::kYes);
  EXPECT_EQ(Ask(MapFlagFeature{map_flags::kNoPrealloc}), Support::kYes);
  EXPECT_EQ(Ask(ProgramTypeFeature{ProgramType::kSocketFilter}), Support::kYes);
  EXPECT_EQ(Ask(InstructionSet::kV2), Support::kYes);
  EXPECT_EQ(Ask(BtfKindFeature{btf::Kind::kInt}), Support::kYes);
  EXPECT_EQ(Ask(Ability::kProgramName), Support::kYes);
}

TEST_F(KernelFeatures, ThatDoNotExistAreAnsweredNo) {
  EXPECT_EQ(Ask(MapTypeFeature{static_cast<MapType>(1000)}), Support::kNo);
  EXPECT_EQ(Ask(ProgramTypeFeature{static_cast<ProgramType>(1000)}), Support::kNo);
  EXPECT_EQ(Ask(HelperFeature{4000, ProgramType::kXdp}), Support::kNo);
}

TEST_F(KernelFeatures, HelpersBelongToProgramTypes) {
  constexpr std::uint32_t kXdpAdjustHead = 44;
  constexpr std::uint32_t kLookup = 1;
  EXPECT_EQ(Ask(HelperFeature{kXdpAdjustHead, ProgramType::kXdp}), Support::kYes);
  EXPECT_EQ(Ask(HelperFeature{kXdpAdjustHead, ProgramType::kSocketFilter}), Support::kNo);
  EXPECT_EQ(Ask(HelperFeature{kLookup, ProgramType::kTracing}), Support::kYes);
}

// The attach type decides, not the program type: fentry may be refused where tp_btf loads.
TEST_F(KernelFeatures, ProgramTypesAreAskedForWithTheirAttachType) {
  const Feature raw = ProgramTypeFeature{ProgramType::kTracing, AttachType::kTraceRawTp};
  if (IsTooOldFor(raw)) GTEST_SKIP() << "this kernel has no tp_btf";
  EXPECT_EQ(Ask(raw), Support::kYes);
  EXPECT_EQ(Ask(ProgramTypeFeature{ProgramType::kTracing, AttachType::kTraceIter}), Support::kYes);
  EXPECT_EQ(Ask(ProgramTypeFeature{ProgramType::kTracing}), Support::kYes) << "tp_btf, where nothing is said";
}

// On the kernel that the project is tested on, all of this is known by other means.
TEST_F(KernelFeatures, OfTheReferenceKernel) {
  std::string release;
  std::ifstream("/proc/sys/kernel/osrelease") >> release;
  if (!release.starts_with("6.18.")) GTEST_SKIP() << "not Linux 6.18: " << release;
  EXPECT_EQ(Ask(MapTypeFeature{MapType::kArena}), Support::kYes);
  EXPECT_EQ(Ask(MapTypeFeature{MapType::kTaskStorage}), Support::kYes);
  EXPECT_EQ(Ask(MapTypeFeature{MapType::kStructOps}), Support::kYes);
  EXPECT_EQ(Ask(MapTypeFeature{MapType::kInsnArray}), Support::kNo);
  for (const LinkKind kind : {LinkKind::kTcx, LinkKind::kNetfilter, LinkKind::kUprobeMulti, LinkKind::kPerfEvent,
                              LinkKind::kCgroup, LinkKind::kNetns, LinkKind::kXdp}) {
    EXPECT_EQ(Ask(kind), Support::kYes) << FeatureName(kind);
  }
  EXPECT_EQ(Ask(InstructionSet::kV4), Support::kYes);
  EXPECT_EQ(Ask(BtfKindFeature{btf::Kind::kEnum64}), Support::kYes);
  for (const Ability ability : {Ability::kBoundedLoops, Ability::kLargeProgram, Ability::kAttachCookie, Ability::kToken,
                                Ability::kLogTrueSize, Ability::kGlobalData, Ability::kMemcgAccounting}) {
    EXPECT_EQ(Ask(ability), Support::kYes) << FeatureName(ability);
  }
}

TEST_F(KernelFeatures, AMapThatIsNotSupportedNamesTheKernelThatHasIt) {
  MapSpec spec;
  spec.name = "m";
  spec.type = MapType::kInsnArray;
  spec.key_size = 4;
  spec.value_size = 16;
  spec.max_entries = 1;
  const auto map = backend_->CreateMap(spec, nullptr);
  if (map) GTEST_SKIP() << "this kernel has it";
  EXPECT_EQ(map.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(map.error().message(), ::testing::HasSubstr("not supported (needs Linux 6.19)"));
}

}  // namespace
}  // namespace strata
