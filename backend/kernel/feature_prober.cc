#include "feature_prober.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "privilege.h"

namespace strata::kernel {
namespace {

constexpr int kNotSupportedErrno = 524;  // ENOTSUPP, the kernel's own

struct Asker {
  const ProbeTools& tools;
  FeatureAnswer operator()(const MapTypeFeature& f) const { return ProbeMapType(tools, f.type); }
  FeatureAnswer operator()(const MapFlagFeature& f) const { return ProbeMapFlag(tools, f.flag); }
  FeatureAnswer operator()(const ProgramTypeFeature& f) const { return ProbeProgram(tools, f.type, f.attach_type); }
  FeatureAnswer operator()(const HelperFeature& f) const { return ProbeHelper(tools, f); }
  FeatureAnswer operator()(InstructionSet set) const { return ProbeInstructionSet(tools, set); }
  FeatureAnswer operator()(LinkKind kind) const { return ProbeLink(tools, kind); }
  FeatureAnswer operator()(const BtfKindFeature& f) const { return ProbeBtfKind(tools, f.kind); }
  FeatureAnswer operator()(Ability ability) const { return ProbeAbility(tools, ability); }
};

}  // namespace

std::string ErrnoText(int sys_errno) {
  return sys_errno == kNotSupportedErrno ? "operation not supported by the kernel" : std::strerror(sys_errno);
}

FeatureAnswer AnswerOf(const ProbeTools& tools, int sys_errno, std::string_view tried) {
  std::string reason = fmt::format("{}: {}", tried, ErrnoText(sys_errno));
  switch (sys_errno) {
    case 0:
      return {Support::kYes, {}};
    case EPERM:
    case EACCES:
      // Refused to whom everything is allowed is refused.
      if (ReadPrivileges(*tools.context.syscalls).MayUseEverything()) return {Support::kNo, std::move(reason)};
      return {Support::kInconclusive, std::move(reason)};
    case EINVAL:
    case E2BIG:
    case EOPNOTSUPP:
    case ENOSYS:
    case kNotSupportedErrno:
      return {Support::kNo, std::move(reason)};
    default:
      return {Support::kInconclusive, std::move(reason)};
  }
}

FeatureAnswer FeatureProber::Probe(const Feature& feature) {
  const std::string name = FeatureName(feature);
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = answers_.find(name); known != answers_.end()) return known->second;
  }
  FeatureAnswer answer = Ask(feature);
  if (answer.support == Support::kInconclusive) return answer;
  const std::lock_guard lock(mutex_);
  return answers_.emplace(name, std::move(answer)).first->second;
}

FeatureAnswer FeatureProber::Ask(const Feature& feature) const {
  const ProbeTools tools{*context_, kernel_};
  return std::visit(Asker{tools}, feature);
}

}  // namespace strata::kernel
