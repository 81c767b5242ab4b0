#include "strata/attach/plan/uprobe_plan.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "decoder.h"
#include "displaced_code.h"

namespace strata::attach {
namespace {

constexpr std::size_t kFunctionAlignment = 16;  // where compilers start functions

std::string Hex(std::size_t value) {
  char text[2 + 16 + 1];
  std::snprintf(text, sizeof(text), "0x%zx", value);
  return text;
}

Error Refuse(const std::string& why) { return Error(ErrorCode::kNotSupported, "no room for a jump: " + why); }

struct Window {
  std::size_t size = 0;  // bytes
  std::vector<Instruction> instructions;
  bool falls_through = true;
};

bool HasInnerBoundary(const Window& window) { return window.instructions.size() > 1; }

// What one pass over a function tells about a window in it.
struct Scan {
  bool reaches_site = false;  // the site is where an instruction starts
  bool is_complete = true;    // decoded to the end
  bool has_indirect_jump = false;
  std::optional<std::size_t> branch_into_window;  // offset of the branch
};

bool IsInside(const SiteCode& code, const Window& window, std::int64_t offset) {
  const auto site = static_cast<std::int64_t>(code.site);
  return offset > site && offset < site + static_cast<std::int64_t>(window.size);
}

Scan ScanFunction(const SiteCode& code, const Window& window) {
  Scan scan;
  const std::span<const std::byte> function = code.bytes.first(code.function_size);
  for (std::size_t at = 0; at < function.size();) {
    scan.reaches_site |= at == code.site;
    const std::optional<Instruction> instruction = Decode(function.subspan(at));
    if (!instruction) {
      scan.is_complete = false;
      break;
    }
    scan.has_indirect_jump |= instruction->flow == Flow::kIndirectJump;
    if (IsDirectBranch(*instruction) && !scan.branch_into_window &&
        IsInside(code, window, static_cast<std::int64_t>(at) + instruction->target)) {
      scan.branch_into_window = at;
    }
    at += instruction->size;
  }
  return scan;
}

// The bytes between the end of a short function and the end of a jump in its place. They are free if they only fill up
// to where the next function may start.
bool IsFreePadding(const SiteCode& code, std::size_t begin, std::size_t end) {
  if (end > code.bytes.size()) return false;
  for (std::size_t at = begin; at < end;) {
    const std::optional<Instruction> filler = Decode(code.bytes.subspan(at));
    if (!filler || !filler->is_padding) return false;
    at += filler->size;
  }
  for (std::size_t at = begin; at < end; ++at) {
    if ((code.file_offset + (at - code.site)) % kFunctionAlignment == 0) return false;
  }
  return true;
}

// The window's rest after an instruction from which control never comes back.
Result<void> CloseEarly(const SiteCode& code, Window& window) {
  const std::size_t end = code.site + window.size;
  const std::size_t wanted = code.site + kJumpSize;
  window.falls_through = false;
  window.size = std::max(window.size, kJumpSize);
  if (wanted <= end) return {};
  if (code.function_size == 0) {
    return Refuse("the code ends after " + std::to_string(end - code.site) +
                  " bytes, and where its function ends is not known");
  }
  const std::size_t padding = std::max(end, code.function_size);
  if (wanted > padding && !IsFreePadding(code, padding, wanted)) {
    return Refuse("the function ends after " + std::to_string(end - code.site) + " bytes");
  }
  return {};
}

Error DecodeError(const SiteCode& code, const Window& window) {
  const std::size_t offset = code.site + window.size;
  if (offset >= code.bytes.size()) return Refuse("the code ends after " + std::to_string(window.size) + " bytes");
  return Error(ErrorCode::kMalformed, "no x86-64 instruction at " + Hex(code.file_offset + window.size));
}

Result<void> CheckMovable(const Instruction& instruction, const Window& window) {
  if (instruction.refusal != nullptr) return Refuse(std::string("in its place there is ") + instruction.refusal);
  const bool is_call = instruction.flow == Flow::kCall || instruction.flow == Flow::kIndirectCall;
  if (!is_call) return {};
  if (instruction.uses_stack_pointer) return Refuse("in its place there is a call through the stack pointer");
  if (window.size + instruction.size < kJumpSize) return Refuse("a call in its place returns into it");
  return {};
}

Result<Window> DecodeWindow(const SiteCode& code) {
  Window window;
  while (window.size < kJumpSize) {
    const std::size_t at = code.site + window.size;
    if (code.function_size != 0 && at >= code.function_size) {
      return Refuse("the function ends after " + std::to_string(window.size) + " bytes");
    }
    const std::optional<Instruction> instruction = Decode(code.bytes.subspan(at));
    if (!instruction) return DecodeError(code, window);
    STRATA_TRY(CheckMovable(*instruction, window));
    window.instructions.push_back(*instruction);
    window.size += instruction->size;
    if (EndsFlow(*instruction)) {
      STRATA_TRY(CloseEarly(code, window));
      break;
    }
  }
  return window;
}

Result<void> CheckBranches(const SiteCode& code, const Window& window) {
  for (const std::size_t entry : code.entries) {
    if (IsInside(code, window, static_cast<std::int64_t>(entry))) {
      return Refuse("another way in starts " + std::to_string(entry - code.site) + " bytes behind it");
    }
  }
  std::size_t offset = 0;
  for (const Instruction& instruction : window.instructions) {
    const auto at = static_cast<std::int64_t>(code.site + offset);
    if (IsDirectBranch(instruction) && IsInside(code, window, at + instruction.target)) {
      return Refuse("a branch at +" + Hex(offset) + " lands inside");
    }
    offset += instruction.size;
  }
  if (code.function_size == 0) return {};
  const Scan scan = ScanFunction(code, window);
  if (!scan.reaches_site && scan.is_complete) {
    return Error(ErrorCode::kInvalidArgument, "offset " + Hex(code.site) + " is not where an instruction starts");
  }
  if (scan.branch_into_window)
    return Refuse("the branch at +" + Hex(*scan.branch_into_window) + " of its function lands inside");
  // Compilers send no jump table to within five bytes of a function's start; anywhere else they may.
  const bool is_entry = code.site == 0;
  if (is_entry || !HasInnerBoundary(window)) return {};
  if (scan.has_indirect_jump) return Refuse("an indirect jump of its function might land inside");
  if (!scan.is_complete) return Refuse("not all of its function is code, so a branch might land inside");
  return {};
}

// vfork pops its return address before the system call and pushes it again in both processes.
Result<void> CheckReturn(const SiteCode& code) {
  const std::optional<Instruction> first = Decode(code.bytes.subspan(code.site));
  if (first && first->is_pop) {
    return Error(ErrorCode::kNotSupported, "no return probe: the function takes its return address off the stack");
  }
  return {};
}

Result<UprobePlan> WritePlan(const SiteCode& code, const Window& window, ProbeKind probe) {
  UprobePlan plan = {};
  plan.version = kUprobePlanVersion;
  plan.probe = probe;
  plan.window_size = static_cast<std::uint8_t>(window.size);
  plan.falls_through = window.falls_through ? 1 : 0;
  plan.is_function_start = code.function_size != 0 && code.site == 0 ? 1 : 0;
  plan.file_offset = code.file_offset;
  std::memcpy(plan.expected, code.bytes.data() + code.site, window.size);
  DisplacedCode writer(plan);
  std::size_t offset = 0;
  for (const Instruction& instruction : window.instructions) {
    plan.boundaries[plan.boundary_count++] = {static_cast<std::uint8_t>(offset), plan.code_size};
    writer.Append(instruction, code.bytes.subspan(code.site + offset, instruction.size), offset);
    offset += instruction.size;
  }
  // A call leaves for its callee, which returns behind the window by itself.
  const Flow last = window.instructions.back().flow;
  if (last == Flow::kCall || last == Flow::kIndirectCall) plan.falls_through = 0;
  if (!writer.ok()) return Refuse("the displaced code is too long");
  return plan;
}

}  // namespace

Result<UprobePlan> PlanUprobe(const SiteCode& code, ProbeKind probe) {
  const std::size_t limit = code.function_size != 0 ? code.function_size : code.bytes.size();
  if (code.function_size > code.bytes.size() || code.site >= limit) {
    return Error(ErrorCode::kInvalidArgument,
                 "offset " + Hex(code.site) + " is outside of " + std::to_string(limit) + " bytes of code");
  }
  const Window window = STRATA_TRY(DecodeWindow(code));
  if (window.size > code.bytes.size() - code.site) {
    return Refuse("the file's code ends after " + std::to_string(code.bytes.size() - code.site) + " bytes");
  }
  STRATA_TRY(CheckBranches(code, window));
  if (probe == ProbeKind::kReturn) STRATA_TRY(CheckReturn(code));
  return WritePlan(code, window, probe);
}

}  // namespace strata::attach
