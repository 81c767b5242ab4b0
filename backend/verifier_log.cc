#include "strata/backend/verifier_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

namespace strata {
namespace {

constexpr std::string_view kTruncationMark = "(log truncated: ";

// Lines that say how the verifier works, not what it found.
constexpr std::array<std::string_view, 14> kNotes = {
    "processed ",
    "verification time",
    "stack depth ",
    "cur state:",
    "old state:",
    "from ",
    "mark_precise:",
    "func#",
    "propagating ",
    ";",
    "caller:",
    "callee:",
    "returning from callee",
    "to caller at ",
};

bool IsNote(std::string_view line) {
  const auto starts_so = [line](std::string_view note) { return line.starts_with(note); };
  return line.empty() || line.front() == ' ' || line.starts_with(kTruncationMark) ||
         std::any_of(kNotes.begin(), kNotes.end(), starts_so);
}

// "7: (79) r0 = ..." is an instruction, "7: R0=..." a state.
bool StartsWithIndex(std::string_view line) {
  const std::size_t digits = line.find_first_not_of("0123456789");
  return digits != 0 && digits != std::string_view::npos && line.substr(digits).starts_with(": ");
}

bool IsInstruction(std::string_view line) {
  return StartsWithIndex(line) && line.substr(line.find(": ")).starts_with(": (");
}

std::string_view WithoutTrailingNewlines(std::string_view log) {
  while (log.ends_with('\n')) log.remove_suffix(1);
  return log;
}

// Takes the last line off `log`, without its newline.
std::string_view TakeLastLine(std::string_view& log) {
  log = WithoutTrailingNewlines(log);
  const std::size_t start = log.rfind('\n');
  const std::string_view line = start == std::string_view::npos ? log : log.substr(start + 1);
  log = log.substr(0, log.size() - line.size());
  return line;
}

// "7: (79) r0 = *(u64 *)(r0 +0)   ; R0=..." up to its state.
std::string_view WithoutState(std::string_view line) {
  line = line.substr(0, line.find("  "));
  return line.substr(0, line.find('\t'));
}

// Of the last comment with a line: "; return *count; @ count.bpf.c:23", without the place before Linux 6.8. Line 0 is
// what the compiler made up.
std::string_view LastSource(std::string_view log) {
  while (!log.empty()) {
    const std::string_view line = TakeLastLine(log);
    if (!line.starts_with("; ")) continue;
    const std::size_t place = line.rfind(" @ ");
    if (place == std::string_view::npos) return line.substr(2);
    if (!line.ends_with(":0")) return line.substr(place + 3);
  }
  return {};
}

std::size_t CountLines(std::string_view log) {
  return log.empty() ? 0 : static_cast<std::size_t>(std::count(log.begin(), log.end(), '\n')) + 1;
}

std::string_view Plural(std::size_t count) { return count == 1 ? "" : "s"; }

std::string Head(std::string_view log, std::size_t lines) {
  std::size_t end = 0;
  for (std::size_t line = 0; line < lines && end != std::string_view::npos; ++line) {
    end = log.find('\n', line == 0 ? 0 : end + 1);
  }
  if (end == std::string_view::npos) return std::string(log);
  const std::size_t left_out = CountLines(log) - lines;
  const std::string rest = fmt::format("(and {} more line{})", left_out, Plural(left_out));
  return lines == 0 ? rest : fmt::format("{}\n{}", log.substr(0, end), rest);
}

std::string Tail(std::string_view log, std::size_t lines) {
  std::string_view rest = log;
  for (std::size_t line = 0; line < lines && !rest.empty(); ++line) TakeLastLine(rest);
  const std::size_t left_out = CountLines(WithoutTrailingNewlines(rest));
  if (left_out == 0) return std::string(log);
  return fmt::format("({} line{} before)\n{}", left_out, Plural(left_out), log.substr(rest.size()));
}

}  // namespace

std::string TruncationLine(std::size_t kept_bytes, std::size_t whole_bytes) {
  if (whole_bytes == 0) return fmt::format("{}{} bytes of it are here)", kTruncationMark, kept_bytes);
  return fmt::format("{}{} of {} bytes are here)", kTruncationMark, kept_bytes, whole_bytes);
}

bool IsTruncated(std::string_view log) { return TakeLastLine(log).starts_with(kTruncationMark); }

Verdict ReadVerdict(std::string_view log) {
  constexpr std::size_t kMostLines = 3;
  Verdict verdict;
  std::vector<std::string_view> lines;
  std::string_view last;
  std::string_view rest = log;
  while (!rest.empty() && verdict.instruction.empty()) {
    const std::string_view line = TakeLastLine(rest);
    if (IsNote(line)) continue;
    if (last.empty()) last = line;
    if (IsInstruction(line)) {
      verdict.instruction = WithoutState(line);
    } else if (!StartsWithIndex(line) && lines.size() < kMostLines) {
      lines.push_back(line);
    }
  }
  std::reverse(lines.begin(), lines.end());
  verdict.complaint = lines.empty() ? std::string(last) : fmt::format("{}", fmt::join(lines, ": "));
  if (!verdict.instruction.empty()) verdict.source = LastSource(rest);
  return verdict;
}

std::string VerdictText(const Verdict& verdict) {
  std::string text = verdict.complaint;
  if (!verdict.instruction.empty()) text += fmt::format(" at {}", verdict.instruction);
  if (!verdict.source.empty()) text += fmt::format(", {}", verdict.source);
  return text;
}

std::string FormatVerifierLog(const Error& error, VerifierLogOptions options) {
  const std::string_view log = WithoutTrailingNewlines(error.log());
  if (log.empty()) return error.message();
  switch (options.form) {
    case VerifierLogForm::kShort:
      return VerdictText(ReadVerdict(log)) + (IsTruncated(log) ? " (log truncated)" : "");
    case VerifierLogForm::kHead:
      return Head(log, options.lines);
    case VerifierLogForm::kTail:
      return Tail(log, options.lines);
    case VerifierLogForm::kFull:
      break;
  }
  return std::string(log);
}

}  // namespace strata
