#include "../maps/ops.h"
#include "functions.h"
#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/stack_capture.h"
#include "strata/backend/userspace/runtime/stack_trace_map.h"

namespace strata::runtime {
namespace {

// What of the stack a program asked for. Without kStackOfUser it is the kernel's, which has no frame in a probe of user
// space: so it is empty, as it is in the kernel's own uprobes. Contexts other than registers have no stack at all.
struct Capture {
  std::uint64_t frames[kMaxStackFrames];
  std::uint32_t count = 0;       // without the skipped ones
  bool is_skip_reached = false;  // the stack has as many frames as shall be skipped
};

bool HasRegisters(const RunContext& run) {
  return run.context != nullptr && (run.program == nullptr || run.program->type == ProgramType::kKprobe);
}

// stack_map_calculate_max_depth: skipped frames count for the longest stack, too.
void CaptureStack(RunContext* run, std::uint64_t flags, std::uint32_t depth, Capture* out) {
  const auto skip = static_cast<std::uint32_t>(flags & kStackSkipMask);
  out->is_skip_reached = skip == 0;
  if ((flags & kStackOfUser) == 0 || !HasRegisters(*run)) return;
  const std::uint32_t whole = depth + skip < kMaxStackFrames ? depth + skip : kMaxStackFrames;
  if (whole < skip) return;
  out->count = whole == skip ? 0 : CaptureUserStack(*run->process, run->context, skip, out->frames, whole - skip);
  if (out->count == 0 && skip > 0) {
    std::uint64_t last = 0;
    out->is_skip_reached = CaptureUserStack(*run->process, run->context, skip - 1, &last, 1) == 1;
  } else {
    out->is_skip_reached = true;
  }
}

}  // namespace

STRATA_HELPER(HelperStackId) {
  auto& map = *PointerFrom<MapView>(r2);
  if (map.type != MapType::kStackTrace) return Status(-EINVAL);
  if ((r3 & ~(kStackSkipMask | kStackOfUser | kStackFastCompare | kStackReuseId)) != 0) return Status(-EINVAL);
  Capture capture;
  CaptureStack(run, r3, map.value_size / 8, &capture);
  if (capture.count == 0) return Status(-EFAULT);
  return Status(StoreStack(map, capture.frames, capture.count, r3));
}

STRATA_HELPER(HelperStack) {
  auto* to = PointerFrom<std::byte>(r2);
  const auto size = static_cast<std::uint32_t>(r3);
  // Build ids (kStackBuildIds) are not served.
  if ((r4 & ~(kStackSkipMask | kStackOfUser)) != 0 || size % 8 != 0) {
    memset(to, 0, size);
    return Status(-EINVAL);
  }
  Capture capture;
  CaptureStack(run, r4, size / 8 < kMaxStackFrames ? size / 8 : kMaxStackFrames, &capture);
  const auto copied = capture.count * static_cast<std::uint32_t>(sizeof(std::uint64_t));
  memcpy(to, capture.frames, copied);
  memset(to + copied, 0, size - copied);
  return capture.is_skip_reached ? copied : Status(-EFAULT);
}

}  // namespace strata::runtime
