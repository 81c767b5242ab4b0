// Asks the kernel what it can do, by making the smallest object of each kind and dropping it.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "context.h"
#include "strata/backend/feature.h"
#include "strata/backend/kernel_facts.h"

namespace strata::kernel {

// What a probe needs.
struct ProbeTools {
  const Context& context;
  const KernelFacts& kernel;
};

// Thread-safe. Probes run when they are asked for, never on their own.
class FeatureProber {
 public:
  // `kernel` must outlive it.
  FeatureProber(ContextPtr context, const KernelFacts& kernel) : context_(std::move(context)), kernel_(kernel) {}

  // Answers that are sure are kept.
  FeatureAnswer Probe(const Feature& feature);
  const Context& context() const { return *context_; }

 private:
  FeatureAnswer Ask(const Feature& feature) const;

  ContextPtr context_;
  const KernelFacts& kernel_;
  std::mutex mutex_;
  std::map<std::string, FeatureAnswer, std::less<>> answers_;  // by the feature's name
};

FeatureAnswer ProbeMapType(const ProbeTools& tools, MapType type);
FeatureAnswer ProbeMapFlag(const ProbeTools& tools, std::uint32_t flag);
FeatureAnswer ProbeProgram(const ProbeTools& tools, ProgramType type, AttachType attach_type);
FeatureAnswer ProbeHelper(const ProbeTools& tools, const HelperFeature& feature);
FeatureAnswer ProbeInstructionSet(const ProbeTools& tools, InstructionSet set);
FeatureAnswer ProbeLink(const ProbeTools& tools, LinkKind kind);
FeatureAnswer ProbeBtfKind(const ProbeTools& tools, btf::Kind kind);
FeatureAnswer ProbeAbility(const ProbeTools& tools, Ability ability);

// An answer from how a call ended. What is refused for lack of a privilege, or of memory, says nothing.
FeatureAnswer AnswerOf(const ProbeTools& tools, int sys_errno, std::string_view tried);

// "Invalid argument".
std::string ErrnoText(int sys_errno);

}  // namespace strata::kernel
