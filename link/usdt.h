// Programs at the probes that a program's author put into it (USDT).
#pragma once

#include <cstdint>
#include <utility>

#include "strata/link/link.h"

namespace strata {

struct UsdtOptions {
  std::int32_t pid = kAllProcesses;  // one process only
  std::uint64_t cookie = 0;          // what bpf_usdt_cookie returns
  AgentPolicy agent = AgentPolicy::kRequire;
};

// Made by Executable::AttachUsdt: all places of one probe. The probe's semaphore is raised as long as it lives.
class [[nodiscard]] STRATA_EXPORT Usdt : public Link {
 public:
  explicit Usdt(Link link) : Link(std::move(link)) {}
};

}  // namespace strata
