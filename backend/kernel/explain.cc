#include "explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace strata::kernel {
namespace {

// Takes the last line off `log`.
std::string_view TakeLastLine(std::string_view& log) {
  while (log.ends_with('\n')) log.remove_suffix(1);
  const std::size_t start = log.rfind('\n');
  const std::string_view line = start == std::string_view::npos ? log : log.substr(start + 1);
  log = log.substr(0, log.size() - line.size());
  return line;
}

bool IsStatistics(std::string_view line) {
  return line.starts_with("processed ") || line.starts_with("verification time") || line.starts_with("stack depth ");
}

// Of a line "12: (85) call unknown#195896080".
std::optional<std::uint32_t> InstructionOf(std::string_view line) {
  std::uint32_t index = 0;
  const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), index);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view text = line.substr(static_cast<std::size_t>(rest - line.data()));
  return text.starts_with(": (") ? std::optional(index) : std::nullopt;
}

std::optional<std::uint32_t> LastInstruction(std::string_view log) {
  while (!log.empty()) {
    if (const auto index = InstructionOf(TakeLastLine(log))) return index;
  }
  return std::nullopt;
}

std::string LastMeaningfulLine(std::string_view log) {
  while (!log.empty()) {
    const std::string_view line = TakeLastLine(log);
    if (!line.empty() && !IsStatistics(line)) return std::string(line);
  }
  return {};
}

}  // namespace

std::string ExplainRejection(std::string_view log, const LinkedProgram& program) {
  const auto last = LastInstruction(log);
  const auto stopped_here = [&](const PoisonedInstruction& poison) { return poison.index.value == last; };
  const auto poison = std::find_if(program.poisoned.begin(), program.poisoned.end(), stopped_here);
  if (last && poison != program.poisoned.end()) return fmt::format("instruction {}: {}", *last, poison->reason);
  return LastMeaningfulLine(log);
}

}  // namespace strata::kernel
