#include "displaced_code.h"

namespace strata::attach {
namespace {

constexpr std::uint8_t kJumpRel32 = 0xe9;
constexpr std::uint8_t kJumpRel8 = 0xeb;
constexpr std::uint8_t kTwoByte = 0x0f;
constexpr std::uint8_t kConditionalRel32 = 0x80;  // after kTwoByte; plus the condition
constexpr std::uint8_t kGroup5 = 0xff;            // /2 call, /4 jmp, /6 push
constexpr std::uint8_t kPushRip = 0x35;           // ModRM: /6, RIP-relative
constexpr std::uint8_t kRegField = 0x38;          // of ModRM
constexpr std::uint8_t kJumpField = 4 << 3;
constexpr std::uint8_t kJumpRel32Size = 5;
constexpr std::uint8_t kJumpRel8Size = 2;

}  // namespace

void DisplacedCode::Byte(std::uint8_t byte) {
  if (plan_.code_size == kMaxDisplacedCode) {
    ok_ = false;
    return;
  }
  plan_.code[plan_.code_size++] = byte;
}

void DisplacedCode::Bytes(std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) Byte(std::to_integer<std::uint8_t>(byte));
}

void DisplacedCode::AddFixup(const Fixup& fixup) {
  if (plan_.fixup_count == kMaxFixups) {
    ok_ = false;
    return;
  }
  plan_.fixups[plan_.fixup_count++] = fixup;
}

void DisplacedCode::Relative(std::int64_t target) {
  const std::uint8_t offset = plan_.code_size;
  for (int i = 0; i < 4; ++i) Byte(0);
  AddFixup({FixupKind::kRelative32, offset, plan_.code_size, {}, target});
}

void DisplacedCode::Address(std::int64_t target) {
  const std::uint8_t offset = plan_.code_size;
  for (int i = 0; i < 8; ++i) Byte(0);
  AddFixup({FixupKind::kAbsolute64, offset, plan_.code_size, {}, target});
}

void DisplacedCode::Copy(const Instruction& instruction, std::span<const std::byte> bytes, std::int64_t site_offset) {
  const std::uint8_t start = plan_.code_size;
  Bytes(bytes);
  if (instruction.rip_operand == 0) return;
  const auto offset = static_cast<std::uint8_t>(start + instruction.rip_operand);
  for (int i = 0; i < 4 && ok_; ++i) plan_.code[offset + i] = 0;
  AddFixup({FixupKind::kRelative32, offset, plan_.code_size, {}, site_offset + instruction.target});
}

// These exist with 8-bit distances only: they jump over a jump.
void DisplacedCode::Loop(const Instruction& instruction, std::span<const std::byte> bytes, std::int64_t target) {
  Bytes(bytes.first(instruction.prefix_size + 1U));
  Byte(kJumpRel8Size);
  Byte(kJumpRel8);
  Byte(kJumpRel32Size);
  Byte(kJumpRel32);
  Relative(target);
}

// push of the eight bytes that lie `distance` behind the instruction.
void DisplacedCode::PushBehind(std::uint8_t distance) {
  Byte(kGroup5);
  Byte(kPushRip);
  Byte(distance);
  for (int i = 0; i < 3; ++i) Byte(0);
}

// The callee must find the original return address, as backtraces and unwinders do, and as __builtin_return_address.
void DisplacedCode::Call(std::int64_t target, std::int64_t return_target) {
  PushBehind(kJumpRel32Size);
  Byte(kJumpRel32);
  Relative(target);
  Address(return_target);
}

// call through a register or memory becomes push and jmp through the same.
void DisplacedCode::IndirectCall(const Instruction& instruction, std::span<const std::byte> bytes,
                                 std::int64_t site_offset) {
  PushBehind(instruction.size);
  const std::size_t modrm = plan_.code_size + std::size_t{instruction.modrm_offset};
  Copy(instruction, bytes, site_offset);
  if (ok_) plan_.code[modrm] = static_cast<std::uint8_t>((plan_.code[modrm] & ~kRegField) | kJumpField);
  Address(site_offset + instruction.size);
}

void DisplacedCode::Append(const Instruction& instruction, std::span<const std::byte> bytes, std::size_t offset) {
  const auto site_offset = static_cast<std::int64_t>(offset);
  const std::int64_t target = site_offset + instruction.target;
  switch (instruction.flow) {
    case Flow::kNext:
    case Flow::kReturn:
    case Flow::kIndirectJump:
      return Copy(instruction, bytes, site_offset);
    case Flow::kJump:
      Byte(kJumpRel32);
      return Relative(target);
    case Flow::kConditional:
      Byte(kTwoByte);
      Byte(kConditionalRel32 | instruction.condition);
      return Relative(target);
    case Flow::kLoop:
      return Loop(instruction, bytes, target);
    case Flow::kCall:
      return Call(target, site_offset + instruction.size);
    case Flow::kIndirectCall:
      return IndirectCall(instruction, bytes, site_offset);
  }
}

}  // namespace strata::attach
