#include "histogram.h"

#include <fmt/format.h>

#include <algorithm>

namespace strata::tools {
namespace {

constexpr std::uint64_t kBarWidth = 40;

// 65536 is "64K": two limits fit into a line and powers of two stay recognisable.
std::string FormatLimit(std::size_t slot) {
  constexpr std::string_view kUnits = " KMGTPE";
  if (slot >= 64) return "inf";
  const std::uint64_t value = 1ULL << (slot % 10);
  const std::size_t unit = slot / 10;
  return unit == 0 ? fmt::format("{}", value) : fmt::format("{}{}", value, kUnits[unit]);
}

}  // namespace

std::string FormatHistogram(std::span<const std::uint64_t> slots) {
  const auto is_used = [](std::uint64_t count) { return count != 0; };
  const auto first = std::find_if(slots.begin(), slots.end(), is_used);
  if (first == slots.end()) return {};
  const auto last = std::find_if(slots.rbegin(), slots.rend(), is_used).base();
  const std::uint64_t highest = *std::max_element(first, last);
  std::string text;
  for (auto slot = first; slot != last; ++slot) {
    const auto index = static_cast<std::size_t>(slot - slots.begin());
    const std::string lower = index == 0 ? "0" : FormatLimit(index);
    const std::uint64_t width = *slot * kBarWidth / highest;
    text += fmt::format("{:>12} {:>10} |{:<{}}|\n", fmt::format("[{}, {})", lower, FormatLimit(index + 1)), *slot,
                        std::string(width, '@'), kBarWidth);
  }
  return text;
}

}  // namespace strata::tools
