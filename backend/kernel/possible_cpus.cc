#include "possible_cpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>

namespace strata::kernel {
namespace {

constexpr std::uint32_t kMostCpus = 1U << 20;  // more than NR_CPUS ever is

bool TakeNumber(std::string_view& text, std::uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc{} && number < kMostCpus;
}

}  // namespace

Result<std::vector<std::uint32_t>> ParseCpuList(std::string_view text, std::string_view where) {
  const std::string_view whole = text;
  const auto malformed = [&] {
    return Error(ErrorCode::kMalformed, fmt::format("{}: \"{}\" is no list of CPUs", where, whole));
  };
  std::vector<std::uint32_t> cpus;
  while (!text.empty()) {
    std::uint32_t first = 0;
    if (!TakeNumber(text, first)) return malformed();
    std::uint32_t last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      if (!TakeNumber(text, last) || last < first) return malformed();
    }
    for (std::uint32_t cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    if (text.empty()) break;
    if (!text.starts_with(',') || text.size() == 1) return malformed();
    text.remove_prefix(1);
  }
  if (cpus.empty()) return malformed();
  return cpus;
}

Result<std::uint32_t> CountPossibleCpus(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  if (!std::getline(file, text)) return Error(ErrorCode::kNotFound, path + ": cannot be read");
  const auto cpus = STRATA_TRY(ParseCpuList(text, path));
  return *std::max_element(cpus.begin(), cpus.end()) + 1;
}

}  // namespace strata::kernel
