// What programs in the traced process can have: our tables tell.
#include <fmt/format.h>

#include "objects.h"
#include "strata/backend/userspace/runtime/helpers/table.h"

namespace strata::userspace {
namespace {

const char kNotHere[] = "not on the userspace backend";

FeatureAnswer Answer(bool is_there) {
  return is_there ? FeatureAnswer{Support::kYes, {}} : FeatureAnswer{Support::kNo, kNotHere};
}

struct Answerer {
  const UserspaceOptions& options;

  FeatureAnswer operator()(const MapTypeFeature& f) const { return Answer(runtime::FindMapKind(f.type) != nullptr); }
  // Each map kind checks its flags; those that say how memory is got are taken and mean nothing here.
  FeatureAnswer operator()(const MapFlagFeature& f) const {
    constexpr std::uint32_t kKnown = map_flags::kNoPrealloc | map_flags::kNumaNode | map_flags::kReadOnly |
                                     map_flags::kWriteOnly | map_flags::kZeroSeed | map_flags::kReadOnlyProgram |
                                     map_flags::kWriteOnlyProgram | map_flags::kMmapable | map_flags::kNoCommonLru |
                                     map_flags::kInnerMap | map_flags::kSegvOnFault | map_flags::kNoUserConversion;
    return Answer((f.flag & ~kKnown) == 0);
  }
  // Programs run where an attach kind of theirs is served.
  FeatureAnswer operator()(const ProgramTypeFeature& f) const {
    return Answer(f.type == ProgramType::kKprobe && f.attach_type == AttachType::kNone && !options.planners.empty());
  }
  FeatureAnswer operator()(const HelperFeature& f) const { return Answer(runtime::IsHelperKnown(f.helper)); }
  FeatureAnswer operator()(InstructionSet) const { return Answer(true); }
  FeatureAnswer operator()(LinkKind) const { return Answer(false); }
  FeatureAnswer operator()(const BtfKindFeature& f) const { return Answer(f.kind != btf::Kind::kUnknown); }
  FeatureAnswer operator()(Ability ability) const {
    switch (ability) {
      case Ability::kBoundedLoops:
      case Ability::kLargeProgram:
      case Ability::kAttachCookie:
      case Ability::kProgramName:
      case Ability::kDotInName:
      case Ability::kGlobalData:
      case Ability::kProgramStatistics:
        return Answer(true);
      case Ability::kToken:
      case Ability::kLogTrueSize:
      case Ability::kMemcgAccounting:
        return Answer(false);
    }
    return {};
  }
};

}  // namespace

FeatureAnswer ProbeFeature(const UserspaceOptions& options, const Feature& feature) {
  return std::visit(Answerer{options}, feature);
}

}  // namespace strata::userspace
