// The smallest program of a type, loaded to see what the kernel says.
#pragma once

#include <span>
#include <string>

#include "context.h"
#include "feature_prober.h"
#include "strata/isa/instruction.h"

namespace strata::kernel {

struct ProbeLoad {
  UniqueFd fd;
  int sys_errno = 0;
  std::string log;
  std::string obstacle;  // why it was not even tried: the kernel's BTF lacks what such programs hook
  std::uint32_t log_true_size = 0;
};

// Loads `code`, or `r0 = 0; exit`, with what the kernel wants of the type: an attach type where it has no default
// (kNone), a hook for those that name one, the sleepable flag.
ProbeLoad LoadProbe(const ProbeTools& tools, ProgramType type, AttachType attach_type = AttachType::kNone,
                    std::span<const isa::Instruction> code = {}, std::uint32_t log_bytes = 4096);

}  // namespace strata::kernel
