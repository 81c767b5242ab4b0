#include "explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "strata/backend/feature.h"
#include "strata/backend/verifier_log.h"
#include "strata/isa/disassemble.h"
#include "strata/spec/type_names.h"

namespace strata::kernel {
namespace {

constexpr std::int32_t kMissingMapBase = 2001000000;  // what a map that was not created is replaced by, as libbpf does
constexpr std::int32_t kMissingFunctionBase = 2002000000;
constexpr std::int32_t kPoisonRange = 1000000;
constexpr std::int32_t kCorePoison = 0xbad2310;

// What to do about a complaint that has `text` in it. The first row that fits counts.
struct Advice {
  std::string_view text;
  std::string_view advice;
};
constexpr Advice kAdvice[] = {
    {"_or_null'", "the pointer may be null: compare it with NULL before it is used"},
    {"invalid mem access 'scalar'",
     "a number is not a pointer to the verifier: read memory of the kernel or a process by bpf_probe_read_kernel or "
     "bpf_probe_read_user"},
    {"invalid mem access 'inv'",
     "a number is not a pointer to the verifier: read memory of the kernel or a process by bpf_probe_read_kernel or "
     "bpf_probe_read_user"},
    {"unbounded memory access", "compare the index with the size, as an unsigned number, right before its use"},
    {"min value is negative", "compare the index with the size, as an unsigned number, right before its use"},
    {"invalid zero-sized read", "the size may be 0 or too large: compare it with both ends right before the call"},
    {"offset is outside of the packet", "compare the end of what is read with data_end right before"},
    {"is outside of the allowed memory range", "compare the offset with the size right before its use"},
    {"invalid access to map value", "compare the offset with the map's value_size right before its use"},
    {"Unreleased reference", "release on every path what was acquired (submit or discard a ring buffer's record)"},
    {"R0 !read_ok", "the program ends without a return value"},
    {"!read_ok", "the register has no value there"},
    {"GPL-restricted function", "its license must be one that is compatible with the GPL: SEC(\"license\") \"GPL\""},
    {"GPL-compatible", "its license must be one that is compatible with the GPL: SEC(\"license\") \"GPL\""},
    {"infinite loop detected", "give the loop an end that does not depend on memory, or use bpf_loop (Linux 5.17)"},
    {"back-edge", "this kernel takes no loops (Linux 5.3): unroll it by #pragma unroll"},
    {"program is too large",
     "the verifier gives up after 1000000 instructions, loops and branches counted: make loops "
     "shorter, use bpf_loop (Linux 5.17), or split it by tail calls"},
    {"too complex",
     "the verifier cannot follow that many branches: make loops shorter, use bpf_loop (Linux 5.17), or "
     "split it by tail calls"},
    {"combined stack size",
     "functions that call each other have 512 bytes of stack together: keep large data in a "
     "per-CPU array map"},
    {"to stack R10 off=-", "the stack has 512 bytes: keep large data in a per-CPU array map"},
    {"invalid bpf_context access", "programs of this type and attach type may not access that field of the context"},
    {"unreachable insn", "the compiler left code that nothing reaches"},
    {"missing btf func_info", "compile it with -g, so that it has BTF of its functions"},
    {"Invalid argument: JIT", "turn the JIT on (net.core.bpf_jit_enable)"},
};

std::string_view AdviceFor(std::string_view complaint) {
  const auto* row = std::find_if(std::begin(kAdvice), std::end(kAdvice), [complaint](const Advice& candidate) {
    return complaint.find(candidate.text) != std::string_view::npos;
  });
  return row == std::end(kAdvice) ? std::string_view() : row->advice;
}

std::optional<std::int64_t> NumberAfter(std::string_view text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + mark.size());
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

// Of "7: (79) r0 = ...".
std::optional<std::uint32_t> IndexOf(std::string_view instruction) {
  std::uint32_t index = 0;
  const auto [end, error] = std::from_chars(instruction.data(), instruction.data() + instruction.size(), index);
  return error == std::errc() ? std::optional(index) : std::nullopt;
}

bool IsIn(std::int64_t number, std::int32_t base) { return number >= base && number < base + kPoisonRange; }

// What a call that no kernel has stands for, where the list of poisoned instructions does not say it.
std::optional<std::string> ExplainPoison(std::int64_t helper) {
  if (helper == kCorePoison) return "a CO-RE relocation found nothing in the target's types";
  if (IsIn(helper, kMissingMapBase)) return "it uses a map that was not created";
  if (IsIn(helper, kMissingFunctionBase)) return "it calls a kernel function that this kernel does not have";
  return std::nullopt;
}

// Of a complaint about a helper: whether this type of program could have it, and since when.
std::optional<std::string> ExplainHelper(const Verdict& verdict, const LinkedProgram& program) {
  const std::string_view complaint = verdict.complaint;
  const bool is_refused = complaint.find("program of this type cannot use helper") != std::string_view::npos;
  const bool is_unknown = complaint.find("unknown func ") != std::string_view::npos ||
                          complaint.find("invalid func ") != std::string_view::npos;
  const auto number = NumberAfter(complaint, "#");
  if (!number || (!is_refused && !is_unknown)) return std::nullopt;
  if (auto poison = ExplainPoison(*number)) return poison;
  const auto helper = static_cast<std::uint32_t>(*number);
  const std::string name = isa::HelperName(helper);
  if (name.empty()) return fmt::format("there is no helper with the number {}", helper);
  const std::uint32_t first = FirstKernelWith(HelperFeature{helper, program.type});
  const std::string since = first == 0 ? "" : fmt::format(" (it is there since Linux {})", LinuxVersionText(first));
  if (is_refused) {
    return fmt::format("programs of type {} have no {} in this kernel{}", ProgramTypeName(program.type), name, since);
  }
  return fmt::format("{} is not for programs of type {}, or this kernel does not have it{}", name,
                     ProgramTypeName(program.type), since);
}

}  // namespace

std::string ExplainRejection(std::string_view log, const LinkedProgram& program) {
  const Verdict verdict = ReadVerdict(log);
  const auto last = IndexOf(verdict.instruction);
  const auto stopped_here = [&](const PoisonedInstruction& poison) { return poison.index.value == last; };
  const auto poison = std::find_if(program.poisoned.begin(), program.poisoned.end(), stopped_here);
  const std::string_view truncated = IsTruncated(log) ? " (the log is truncated)" : "";
  if (last && poison != program.poisoned.end())
    return fmt::format("instruction {}: {}{}", *last, poison->reason, truncated);
  std::string text = VerdictText(verdict);
  if (const auto helper = ExplainHelper(verdict, program)) {
    text += ": " + *helper;
  } else if (const std::string_view advice = AdviceFor(verdict.complaint); !advice.empty()) {
    text += fmt::format(": {}", advice);
  }
  return text + std::string(truncated);
}

}  // namespace strata::kernel
