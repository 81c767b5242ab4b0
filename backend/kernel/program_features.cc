// Probes of program types, helpers and instructions.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <vector>

#include "feature_prober.h"
#include "probe_program.h"
#include "strata/isa/builder.h"

namespace strata::kernel {
namespace {

using isa::kR0;

Result<std::vector<isa::Instruction>> CodeOf(InstructionSet set) {
  isa::Builder code;
  const isa::Label end = code.NewLabel();
  code.Mov(kR0, 0);
  switch (set) {
    case InstructionSet::kV2:
      code.JumpIf(isa::Condition::kLess, kR0, 1, end);
      break;
    case InstructionSet::kV3:
      code.JumpIf(isa::Condition::kEqual, kR0, 0, end, isa::Width::k32);
      break;
    case InstructionSet::kV4:
      code.MovSigned(kR0, kR0, 8).ByteSwap(kR0, 16).JumpLong(end);
      break;
  }
  // A jump over nothing would be no jump; behind one that is always taken there must be nothing.
  if (set != InstructionSet::kV4) code.Mov(kR0, 0);
  return std::move(code.Bind(end).Exit()).Build();
}

bool SpeaksOfUnknownHelper(std::string_view log) {
  constexpr std::string_view kTexts[] = {"unknown func ", "invalid func ", "program of this type cannot use helper"};
  return std::any_of(std::begin(kTexts), std::end(kTexts),
                     [log](std::string_view text) { return log.find(text) != std::string_view::npos; });
}

std::string_view FirstLine(std::string_view log) { return log.substr(0, log.find('\n')); }

}  // namespace

// A log means that the verifier had a look at it, which it does only for types that exist.
FeatureAnswer ProbeProgram(const ProbeTools& tools, ProgramType type, AttachType attach_type) {
  // A program that extends another one is loaded for that one, which a probe does not have.
  if (type == ProgramType::kExt) {
    const ProbeLoad load = LoadProbe(tools, type, attach_type);
    if (load.log.find("Cannot replace kernel functions") != std::string::npos) return {Support::kYes, {}};
    FeatureAnswer answer = AnswerOf(tools, load.sys_errno, "loading one");
    if (load.sys_errno == EINVAL) answer.support = Support::kInconclusive;
    return answer;
  }
  const ProbeLoad load = LoadProbe(tools, type, attach_type);
  if (!load.obstacle.empty()) {
    return {load.sys_errno == EOPNOTSUPP ? Support::kNo : Support::kInconclusive, load.obstacle};
  }
  FeatureAnswer answer = AnswerOf(tools, load.sys_errno, "loading one");
  if (load.sys_errno != 0 && !load.log.empty()) answer.reason += fmt::format(" ({})", FirstLine(load.log));
  return answer;
}

FeatureAnswer ProbeHelper(const ProbeTools& tools, const HelperFeature& feature) {
  isa::Builder builder;
  const auto code = std::move(builder.Call(feature.helper).Mov(kR0, 0).Exit()).Build();
  if (!code) return {Support::kInconclusive, code.error().message()};
  const ProbeLoad load = LoadProbe(tools, feature.type, feature.attach_type, *code);
  if (!load.obstacle.empty()) return {Support::kInconclusive, load.obstacle};
  if (load.sys_errno == 0) return {Support::kYes, {}};
  if (SpeaksOfUnknownHelper(load.log)) return {Support::kNo, "the verifier does not know it there"};
  // Whatever else the verifier has against the call, it knew whom it is of.
  if (load.log.find(": (85) call ") != std::string::npos) return {Support::kYes, {}};
  return {Support::kInconclusive, "loading a program that calls it: " + ErrnoText(load.sys_errno)};
}

FeatureAnswer ProbeInstructionSet(const ProbeTools& tools, InstructionSet set) {
  const auto code = CodeOf(set);
  if (!code) return {Support::kInconclusive, code.error().message()};
  const ProbeLoad load = LoadProbe(tools, ProgramType::kSocketFilter, AttachType::kNone, *code);
  return AnswerOf(tools, load.sys_errno, "loading a program that uses it");
}

}  // namespace strata::kernel
