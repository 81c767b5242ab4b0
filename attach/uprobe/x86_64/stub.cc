#include "stub.h"

namespace strata::attach {
namespace {

constexpr std::uint8_t kHead[] = {0x48, 0x8d, 0x64, 0x24, 0x80};                    // lea -128(%rsp), %rsp
constexpr std::uint8_t kCall[] = {0xff, 0x15};                                      // call *rel32(%rip)
constexpr std::uint8_t kTail[] = {0x48, 0x8d, 0xa4, 0x24, 0x80, 0x00, 0x00, 0x00};  // lea 128(%rsp), %rsp
constexpr std::uint8_t kJump = 0xe9;
constexpr std::uint8_t kGoOn[] = {0xff, 0x64, 0x24, 0xf8};  // jmp *-8(%rsp)
static_assert(kStubReturn == kStubEntry + sizeof(kHead) + sizeof(kCall) + 4);
static_assert(DisplacedOffset(StubKind::kPlain) == kStubReturn + sizeof(kTail));
static_assert(DisplacedOffset(StubKind::kReturns) == kStubReturn + sizeof(kTail) + sizeof(kGoOn));

// A little less than 2 GiB: the stub's own size is within the rest.
constexpr std::uint64_t kReach = 0x7fffff00;

template <std::size_t kSize>
void Copy(std::uint8_t* to, const std::uint8_t (&from)[kSize]) {
  for (std::size_t i = 0; i < kSize; ++i) to[i] = from[i];
}

void PutWord(std::uint8_t* to, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) to[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

bool PutRelative(std::uint8_t* to, std::uint64_t target, std::uint64_t next) {
  const auto distance = static_cast<std::int64_t>(target - next);
  if (distance != static_cast<std::int32_t>(distance)) return false;
  PutWord(to, static_cast<std::uint64_t>(distance), 4);
  return true;
}

void Narrow(Reach& reach, std::uint64_t target) {
  const std::uint64_t lowest = target > kReach ? target - kReach : 0;
  if (lowest > reach.lowest) reach.lowest = lowest;
  if (target + kReach < reach.highest) reach.highest = target + kReach;
}

bool ApplyFixup(const Fixup& fixup, std::uint64_t site_address, std::uint64_t code_address, std::uint8_t* code) {
  const std::uint64_t target = site_address + static_cast<std::uint64_t>(fixup.target);
  if (fixup.kind == FixupKind::kRelative32) return PutRelative(code + fixup.offset, target, code_address + fixup.next);
  PutWord(code + fixup.offset, target, 8);
  return true;
}

}  // namespace

std::size_t StubSize(const UprobePlan& plan, StubKind kind) noexcept {
  return DisplacedOffset(kind) + plan.code_size + (plan.falls_through != 0 ? kJumpSize : 0);
}

Reach StubReach(const UprobePlan& plan, std::uint64_t site_address) noexcept {
  Reach reach = {0, ~0ULL};
  Narrow(reach, site_address);
  for (std::size_t i = 0; i < plan.fixup_count; ++i) {
    if (plan.fixups[i].kind == FixupKind::kRelative32)
      Narrow(reach, site_address + static_cast<std::uint64_t>(plan.fixups[i].target));
  }
  return reach;
}

bool BuildStub(const UprobePlan& plan, StubKind kind, std::uint64_t site_address, const void* site, std::uint64_t stub,
               std::uint64_t entry_slot, std::uint8_t* out) noexcept {
  PutWord(out, reinterpret_cast<std::uint64_t>(site) | static_cast<std::uint64_t>(kind), 8);
  Copy(out + kStubEntry, kHead);
  Copy(out + kStubEntry + sizeof(kHead), kCall);
  if (!PutRelative(out + kStubReturn - 4, entry_slot, stub + kStubReturn)) return false;
  Copy(out + kStubReturn, kTail);
  if (kind == StubKind::kReturns) Copy(out + kStubReturn + sizeof(kTail), kGoOn);
  const std::uint64_t code_address = stub + DisplacedOffset(kind);
  std::uint8_t* code = out + DisplacedOffset(kind);
  for (std::size_t i = 0; i < plan.code_size; ++i) code[i] = plan.code[i];
  for (std::size_t i = 0; i < plan.fixup_count; ++i) {
    if (!ApplyFixup(plan.fixups[i], site_address, code_address, code)) return false;
  }
  if (plan.falls_through == 0) return true;
  return BuildJump(code_address + plan.code_size, site_address + plan.window_size, code + plan.code_size);
}

bool BuildJump(std::uint64_t from, std::uint64_t to, std::uint8_t* out) noexcept {
  out[0] = kJump;
  return PutRelative(out + 1, to, from + kJumpSize);
}

}  // namespace strata::attach
