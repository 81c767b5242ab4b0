#include "strata/spec/attach_kind.h"

#include <algorithm>
#include <array>

#include "strata/spec/attach_target.h"

namespace strata {
namespace {

constexpr bool kHooksFile = true;
constexpr bool kNoFile = false;

constexpr std::array kBuiltinKinds = {
    AttachKind{"uprobe", ProgramType::kKprobe, sizeof(UprobeConfig), kHooksFile},
    AttachKind{"uretprobe", ProgramType::kKprobe, sizeof(UprobeConfig), kHooksFile},
    AttachKind{"uprobe_multi", ProgramType::kKprobe, sizeof(UprobePlace), kHooksFile},
    AttachKind{"uretprobe_multi", ProgramType::kKprobe, sizeof(UprobePlace), kHooksFile},
    AttachKind{"uprobe_session", ProgramType::kKprobe, sizeof(UprobePlace), kHooksFile},
    AttachKind{"kprobe", ProgramType::kKprobe, sizeof(KprobeConfig), kNoFile},
    AttachKind{"kretprobe", ProgramType::kKprobe, sizeof(KprobeConfig), kNoFile},
    AttachKind{"ksyscall", ProgramType::kKprobe, sizeof(KprobeConfig), kNoFile},
    AttachKind{"kretsyscall", ProgramType::kKprobe, sizeof(KprobeConfig), kNoFile},
    AttachKind{"kprobe_multi", ProgramType::kKprobe, sizeof(KprobePlace), kNoFile},
    AttachKind{"kretprobe_multi", ProgramType::kKprobe, sizeof(KprobePlace), kNoFile},
    AttachKind{"kprobe_session", ProgramType::kKprobe, sizeof(KprobePlace), kNoFile},
    AttachKind{"tracepoint", ProgramType::kTracepoint, 0, kNoFile},
    AttachKind{"raw_tracepoint", ProgramType::kUnspec, 0, kNoFile},  // writable ones are of a type of their own
    AttachKind{"tp_btf", ProgramType::kTracing, 0, kNoFile},
    AttachKind{"fentry", ProgramType::kTracing, 0, kNoFile},
    AttachKind{"fexit", ProgramType::kTracing, 0, kNoFile},
    AttachKind{"fmod_ret", ProgramType::kTracing, 0, kNoFile},
    AttachKind{"fsession", ProgramType::kTracing, 0, kNoFile},
    AttachKind{"lsm", ProgramType::kLsm, 0, kNoFile},
    AttachKind{"freplace", ProgramType::kExt, sizeof(FreplaceConfig), kNoFile},
    AttachKind{"iter", ProgramType::kTracing, sizeof(IteratorConfig), kNoFile},
    AttachKind{"perf_event", ProgramType::kPerfEvent, sizeof(PerfEventConfig), kNoFile},
};

}  // namespace

std::span<const AttachKind> BuiltinAttachKinds() { return kBuiltinKinds; }

const AttachKind* FindAttachKind(std::span<const AttachKind> kinds, std::string_view name) {
  const auto found =
      std::find_if(kinds.begin(), kinds.end(), [&](const AttachKind& kind) { return kind.name == name; });
  return found != kinds.end() ? &*found : nullptr;
}

}  // namespace strata
