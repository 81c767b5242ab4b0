#include "core_patch.h"

#include <fmt/format.h>

#include <array>

#include "strata/isa/decode.h"
#include "strata/isa/opcode.h"

namespace strata::btf::core {
namespace {

using isa::Instruction;
using isa::OpClass;

using Patched = Result<std::optional<std::string>>;
const std::optional<std::string> kNotPoisoned;

constexpr std::uint8_t kModeBits = 0xe0;
constexpr std::uint8_t kSignedLoad = 0x80;  // BPF_MEMSX

Error Malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

std::optional<std::string> Poison(std::span<Instruction> slots, std::string reason) {
  for (Instruction& slot : slots) {
    slot = Instruction{.opcode = static_cast<std::uint8_t>(isa::Opcode::kCall), .imm = kCorePoison};
  }
  return reason;
}

std::uint64_t SignExtended(std::int32_t value) { return static_cast<std::uint64_t>(std::int64_t{value}); }
std::uint64_t ZeroExtended(std::uint64_t value) { return value & 0xffffffff; }

Error Unexpected(std::string_view what, std::uint64_t got, std::uint64_t expected) {
  return Malformed(fmt::format("{} is {}, the compiler should have written {}", what, static_cast<std::int64_t>(got),
                               static_cast<std::int64_t>(expected)));
}

Patched PatchArithmetic(Instruction& insn, const CoreResolution& resolution) {
  if (isa::UsesSourceRegister(insn.opcode)) return Malformed("its arithmetic has no constant");
  if (resolution.is_poisoned) return Poison({&insn, 1}, resolution.reason);
  if (resolution.must_match && SignExtended(insn.imm) != resolution.local) {
    return Unexpected("its constant", SignExtended(insn.imm), resolution.local);
  }
  const auto value = static_cast<std::int64_t>(resolution.target);
  if (value < INT32_MIN || value > UINT32_MAX) return Malformed(fmt::format("{} does not fit its constant", value));
  insn.imm = static_cast<std::int32_t>(resolution.target);
  return kNotPoisoned;
}

// The width bits of an opcode, by powers of two.
Result<std::uint8_t> WidthBits(std::uint32_t bytes) {
  constexpr std::array<std::pair<std::uint32_t, std::uint8_t>, 4> kWidths = {
      {{1, 0x10}, {2, 0x08}, {4, 0x00}, {8, 0x18}}};
  for (const auto& [size, bits] : kWidths) {
    if (size == bytes) return bits;
  }
  return Malformed(fmt::format("there is no access of {} bytes", bytes));
}

Patched PatchAccess(Instruction& insn, const CoreResolution& resolution) {
  if (resolution.is_poisoned) return Poison({&insn, 1}, resolution.reason);
  if (resolution.must_match && SignExtended(insn.offset) != resolution.local) {
    return Unexpected("its offset", SignExtended(insn.offset), resolution.local);
  }
  if (resolution.target > INT16_MAX) {
    return Malformed(fmt::format("offset {} does not fit a load or store", resolution.target));
  }
  const bool changes_width = resolution.local_access_bytes != resolution.target_access_bytes;
  // A load that extends the sign would take it from another bit.
  const bool extends_sign = (insn.opcode & kModeBits) == kSignedLoad;
  if (resolution.cannot_adjust || (changes_width && extends_sign)) {
    return Poison({&insn, 1}, "the field has another size in the target, and is neither pointer nor unsigned integer");
  }
  if (changes_width) {
    const auto bytes = static_cast<std::uint32_t>(isa::AccessBytes(insn.opcode));
    if (bytes != resolution.local_access_bytes) {
      return Malformed(fmt::format("it accesses {} bytes of a field of {}", bytes, resolution.local_access_bytes));
    }
    const std::uint8_t width = STRATA_TRY(WidthBits(resolution.target_access_bytes));
    insn.opcode = static_cast<std::uint8_t>((insn.opcode & ~0x18) | width);
  }
  insn.offset = static_cast<std::int16_t>(resolution.target);
  return kNotPoisoned;
}

bool IsPlainLoad(std::span<const Instruction> slots) {
  return slots.size() == 2 && slots[0].src == 0 && slots[0].offset == 0 && slots[1] == Instruction{.imm = slots[1].imm};
}

Patched PatchLoadImm64(std::span<Instruction> slots, const CoreResolution& resolution) {
  if (!IsPlainLoad(slots)) return Malformed("its 64-bit load is not one of a number");
  if (resolution.is_poisoned) return Poison(slots, resolution.reason);
  const std::uint64_t held = isa::Imm64(slots[0], slots[1]);
  std::uint64_t target = resolution.target;
  if (resolution.must_match && held != resolution.local) {
    const bool is_unsigned = resolution.has_open_sign && held == ZeroExtended(resolution.local);
    if (!is_unsigned) return Unexpected("its number", held, resolution.local);
    target = ZeroExtended(target);
  }
  slots[0].imm = static_cast<std::int32_t>(target);
  slots[1].imm = static_cast<std::int32_t>(target >> 32);
  return kNotPoisoned;
}

}  // namespace

Patched Patch(std::span<Instruction> code, isa::InsnIndex index, const CoreResolution& resolution) {
  const std::span<Instruction> rest = code.subspan(index.value);
  Instruction& insn = rest[0];
  switch (isa::ClassOf(insn.opcode)) {
    case OpClass::kAlu32:
    case OpClass::kAlu64:
      return PatchArithmetic(insn, resolution);
    case OpClass::kLoad:
    case OpClass::kStoreImm:
    case OpClass::kStoreReg:
      return PatchAccess(insn, resolution);
    case OpClass::kLoadOther:
      if (isa::SlotCount(insn) == 2)
        return PatchLoadImm64(rest.first(std::min<std::size_t>(rest.size(), 2)), resolution);
      break;
    case OpClass::kJump:
    case OpClass::kJump32:
      break;
  }
  return Malformed(fmt::format("opcode {:#04x} holds nothing that can be relocated", insn.opcode));
}

}  // namespace strata::btf::core
