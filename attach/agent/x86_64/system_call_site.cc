#include "strata/attach/agent/x86_64/system_call_site.h"

#include <cstddef>

namespace strata::attach {
namespace {

constexpr std::uint8_t kEndBranch[] = {0xf3, 0x0f, 0x1e, 0xfa};
constexpr std::uint8_t kMoveToEax = 0xb8;
constexpr std::uint8_t kSystemCall[] = {0x0f, 0x05};
constexpr std::uint8_t kMoveSize = 5;

template <std::size_t kSize>
bool StartsWith(const std::uint8_t* bytes, const std::uint8_t (&with)[kSize]) {
  for (std::size_t i = 0; i < kSize; ++i) {
    if (bytes[i] != with[i]) return false;
  }
  return true;
}

bool IsMove(const std::uint8_t* bytes, std::uint32_t number) {
  if (bytes[0] != kMoveToEax) return false;
  for (int i = 0; i < 4; ++i) {
    if (bytes[1 + i] != static_cast<std::uint8_t>(number >> (8 * i))) return false;
  }
  return true;
}

}  // namespace

bool PlanSystemCall(std::uint64_t address, std::uint32_t number, UprobePlan* out) noexcept {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(address);
  const std::uint8_t before = StartsWith(bytes, kEndBranch) ? sizeof(kEndBranch) : 0;
  if (!IsMove(bytes + before, number) || !StartsWith(bytes + before + kMoveSize, kSystemCall)) return false;
  *out = {};
  out->version = kUprobePlanVersion;
  out->probe = ProbeKind::kEntry;
  out->window_size = static_cast<std::uint8_t>(before + kMoveSize);
  out->code_size = out->window_size;
  out->falls_through = 1;
  for (std::size_t i = 0; i < out->window_size; ++i) {
    out->expected[i] = bytes[i];
    out->code[i] = bytes[i];
  }
  out->boundary_count = 1;
  if (before != 0) out->boundaries[out->boundary_count++] = {before, before};
  return true;
}

}  // namespace strata::attach
