// Programs that hook what BTF describes: typed tracepoints, kernel functions, security hooks, other programs.
#pragma once

#include <cstdint>
#include <string>

#include "strata/link/link.h"

namespace strata {

struct TraceOptions {
  std::uint64_t cookie = 0;  // what bpf_get_attach_cookie returns (Linux 5.19; of tp_btf 6.10, of lsm 6.0)
};

// Made by AttachTrace.
class [[nodiscard]] STRATA_EXPORT Trace : public Link {
 public:
  explicit Trace(Link link) : Link(std::move(link)) {}
};

// For programs of the sections tp_btf, fentry, fexit, fmod_ret, fsession and lsm, which were loaded for what they hook.
STRATA_EXPORT Result<Trace> AttachTrace(const Program& program, const TraceOptions& options = {});

struct FreplaceOptions {
  std::uint64_t cookie = 0;
  // Another program, and its function, than those it was loaded for (LoadOptions::attach_programs), of the same
  // prototype. Linux 5.10.
  const Program* target = nullptr;
  std::string function = {};
};

// Made by AttachFreplace.
class [[nodiscard]] STRATA_EXPORT Freplace : public Link {
 public:
  explicit Freplace(Link link) : Link(std::move(link)) {}
};

// Puts a program of section freplace in the place of a function of another program, as long as the link lives.
STRATA_EXPORT Result<Freplace> AttachFreplace(const Program& program, const FreplaceOptions& options = {});

}  // namespace strata
