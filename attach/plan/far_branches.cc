#include "far_branches.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace strata::attach {
namespace {

constexpr std::size_t kMaxShortReach = 128 + 2;  // of a branch with an 8-bit distance

std::uint8_t At(std::span<const std::byte> text, std::size_t offset) {
  return std::to_integer<std::uint8_t>(text[offset]);
}

bool IsNearOpcode(std::span<const std::byte> text, std::size_t at) {
  const std::uint8_t opcode = At(text, at);
  if (opcode == 0xe8 || opcode == 0xe9) return true;
  return (opcode & 0xf0) == 0x80 && at > 0 && At(text, at - 1) == 0x0f;
}

bool IsShortOpcode(std::uint8_t opcode) {
  return opcode == 0xeb || (opcode & 0xf0) == 0x70 || (opcode >= 0xe0 && opcode <= 0xe3);
}

bool IsIn(std::int64_t offset, std::size_t begin, std::size_t end) {
  return offset >= static_cast<std::int64_t>(begin) && offset < static_cast<std::int64_t>(end);
}

std::optional<std::size_t> FindNear(std::span<const std::byte> text, std::size_t begin, std::size_t end) {
  for (std::size_t at = 0; at + 5 <= text.size(); ++at) {
    std::int32_t distance;
    std::memcpy(&distance, text.data() + at + 1, sizeof(distance));
    if (IsIn(static_cast<std::int64_t>(at) + 5 + distance, begin, end) && IsNearOpcode(text, at)) return at;
  }
  return std::nullopt;
}

std::optional<std::size_t> FindShort(std::span<const std::byte> text, std::size_t begin, std::size_t end) {
  const std::size_t first = begin > kMaxShortReach ? begin - kMaxShortReach : 0;
  const std::size_t last = std::min(text.size(), end + kMaxShortReach);
  for (std::size_t at = first; at + 2 <= last; ++at) {
    const auto distance = static_cast<std::int8_t>(At(text, at + 1));
    // The window's own displacement bytes are no branches into it.
    if (at + 1 >= begin && at < end) continue;
    if (IsShortOpcode(At(text, at)) && IsIn(static_cast<std::int64_t>(at) + 2 + distance, begin, end)) return at;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::size_t> FindBranchInto(std::span<const std::byte> text, std::size_t begin, std::size_t end) {
  if (const std::optional<std::size_t> branch = FindNear(text, begin, end)) return branch;
  return FindShort(text, begin, end);
}

}  // namespace strata::attach
