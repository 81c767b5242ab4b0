// Programs at the entry and the return of the kernel's functions, by breakpoint or by ftrace.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "strata/link/link.h"
#include "strata/link/probe_moment.h"

namespace strata {

struct KprobeOptions {
  std::uint64_t offset = 0;   // bytes past the function's start
  std::uint64_t address = 0;  // instead of a function's name
  std::uint64_t cookie = 0;   // what bpf_get_attach_cookie returns (Linux 5.15)
  // Return probes: calls that are followed at a time, further ones are missed; by tracefs. 0: the kernel's choice.
  std::uint32_t max_active = 0;
};

// Made by the functions below. The program gets struct pt_regs.
class [[nodiscard]] STRATA_EXPORT Kprobe : public Link {
 public:
  explicit Kprobe(Link link) : Link(std::move(link)) {}
};

// `function` may end in "+0x10". The program must be of type kKprobe. Errors: kNotFound names a function of a similar
// name, kInvalidArgument the addresses where several functions have it, kNotSupported for a kernel without kprobes.
STRATA_EXPORT Result<Kprobe> AttachKprobe(const Program& program, std::string_view function,
                                          const KprobeOptions& options = {});
STRATA_EXPORT Result<Kprobe> AttachKretprobe(const Program& program, std::string_view function,
                                             const KprobeOptions& options = {});

// The function behind a system call, "openat", whatever this kernel calls it.
STRATA_EXPORT Result<Kprobe> AttachKsyscall(const Program& program, std::string_view syscall,
                                            const KprobeOptions& options = {});
STRATA_EXPORT Result<Kprobe> AttachKretsyscall(const Program& program, std::string_view syscall,
                                               const KprobeOptions& options = {});

struct KprobesOptions {
  // One of the three. A pattern is one of glob(7).
  std::vector<std::string> functions = {};
  std::vector<std::uint64_t> addresses = {};
  std::string pattern = {};
  std::vector<std::uint64_t> cookies = {};  // none, or one for each function or address
  ProbeMoment moment = ProbeMoment::kAsSectionSays;
};

// Made by AttachKprobes.
class [[nodiscard]] STRATA_EXPORT KprobeMulti : public Link {
 public:
  explicit KprobeMulti(Link link) : Link(std::move(link)) {}
};

// Many functions by one link, for programs of section kprobe.multi, kretprobe.multi (Linux 5.18) and kprobe.session
// (6.10).
STRATA_EXPORT Result<KprobeMulti> AttachKprobes(const Program& program, const KprobesOptions& options);

}  // namespace strata
