#include "attach_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace strata {
namespace {

// How the kernel names what a kind of program hooks.
struct HookRow {
  AttachType attach_type;
  std::string_view prefix;
  btf::Kind kind;
  std::string_view what;
  std::string_view where_listed;  // what exists
};
constexpr HookRow kHookRows[] = {
    {AttachType::kTraceRawTp, "btf_trace_", btf::Kind::kTypedef, "tracepoint",
     "the tracepoints are listed in /sys/kernel/tracing/available_events"},
    {AttachType::kTraceIter, "bpf_iter_", btf::Kind::kFunc, "iterator",
     "bpftool btf dump file /sys/kernel/btf/vmlinux lists them as bpf_iter_*"},
    {AttachType::kLsmMac, "bpf_lsm_", btf::Kind::kFunc, "LSM hook",
     "it needs CONFIG_BPF_LSM, and the hooks are those of lsm_hook_defs.h"},
    {AttachType::kLsmCgroup, "bpf_lsm_", btf::Kind::kFunc, "LSM hook",
     "it needs CONFIG_BPF_LSM, and the hooks are those of lsm_hook_defs.h"},
};
constexpr HookRow kFunctionRow = {AttachType::kNone, "", btf::Kind::kFunc, "function",
                                  "static functions may have been inlined, and the name must be that of this kernel"};

const HookRow& RowOf(AttachType attach_type) {
  const auto* row = std::find_if(std::begin(kHookRows), std::end(kHookRows),
                                 [&](const HookRow& candidate) { return candidate.attach_type == attach_type; });
  return row == std::end(kHookRows) ? kFunctionRow : *row;
}

}  // namespace

Result<std::uint32_t> FindHookedType(const ProgramSpec& program, const KernelFacts& kernel) {
  const HookRow& row = RowOf(program.attach_type);
  if (program.type_of_program == ProgramType::kExt) {
    return Error(ErrorCode::kInvalidArgument,
                 "extends another program (freplace): name that one in LoadOptions::attach_programs");
  }
  if (program.attach_to.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("its section, \"{0}\", names no {1} to hook; write SEC(\"{0}/NAME\")",
                             program.section_name, row.what));
  }
  const auto types = STRATA_TRY(kernel.Types());
  const std::string name = std::string(row.prefix) + program.attach_to;
  const auto id = types->FindByName(name, row.kind);
  if (id) return id->value;
  return Error(ErrorCode::kNotFound, fmt::format("this kernel has no {} {} (no {} in its BTF); {}", row.what,
                                                 program.attach_to, name, row.where_listed));
}

}  // namespace strata
