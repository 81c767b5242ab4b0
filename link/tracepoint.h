// Programs at the kernel's tracepoints.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "strata/link/link.h"

namespace strata {

struct TracepointOptions {
  std::uint64_t cookie = 0;  // what bpf_get_attach_cookie returns (Linux 5.15; of raw tracepoints 6.10)
};

// Made by AttachTracepoint. The program gets the record that events/CATEGORY/NAME/format in tracefs describes.
class [[nodiscard]] STRATA_EXPORT Tracepoint : public Link {
 public:
  explicit Tracepoint(Link link) : Link(std::move(link)) {}
};

// Made by AttachRawTracepoint. The program gets the tracepoint's arguments, struct bpf_raw_tracepoint_args.
class [[nodiscard]] STRATA_EXPORT RawTracepoint : public Link {
 public:
  explicit RawTracepoint(Link link) : Link(std::move(link)) {}
};

// "syscalls", "sys_enter_openat". The program must be of type kTracepoint. Needs tracefs: kNotSupported names the
// command that mounts it, kNotFound a tracepoint of a similar name.
STRATA_EXPORT Result<Tracepoint> AttachTracepoint(const Program& program, std::string_view category,
                                                  std::string_view name, const TracepointOptions& options = {});

// "sys_enter", "sched_switch"; without a category, and without tracefs. Of type kRawTracepoint or
// kRawTracepointWritable.
STRATA_EXPORT Result<RawTracepoint> AttachRawTracepoint(const Program& program, std::string_view name,
                                                        const TracepointOptions& options = {});

}  // namespace strata
