#include "decoder.h"

#include <Zydis/Zydis.h>

namespace strata::attach {
namespace {

constexpr std::uint8_t kRspField = 4;  // of ModRM.rm and SIB.base, without REX.B

const ZydisDecoder& Decoder() {
  static const ZydisDecoder decoder = [] {
    ZydisDecoder made;
    ZydisDecoderInit(&made, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return made;
  }();
  return decoder;
}

struct RefusedMnemonic {
  ZydisMnemonic mnemonic;
  const char* reason;
};

// Instructions that look at their own address, or that nobody gets past.
constexpr RefusedMnemonic kRefusedMnemonics[] = {
    {ZYDIS_MNEMONIC_INT3, "a breakpoint"},
    {ZYDIS_MNEMONIC_INT1, "a breakpoint"},
    {ZYDIS_MNEMONIC_INT, "a software interrupt"},
    {ZYDIS_MNEMONIC_UD0, "an undefined instruction"},
    {ZYDIS_MNEMONIC_UD1, "an undefined instruction"},
    {ZYDIS_MNEMONIC_UD2, "an undefined instruction"},
    {ZYDIS_MNEMONIC_HLT, "a privileged instruction"},
    {ZYDIS_MNEMONIC_XBEGIN, "the start of a transaction"},
    {ZYDIS_MNEMONIC_IRET, "a return from an interrupt"},
    {ZYDIS_MNEMONIC_IRETD, "a return from an interrupt"},
    {ZYDIS_MNEMONIC_IRETQ, "a return from an interrupt"},
    {ZYDIS_MNEMONIC_SYSENTER, "a 32-bit system call"},
};

const char* RefusalOf(const ZydisDecodedInstruction& decoded) {
  for (const RefusedMnemonic& row : kRefusedMnemonics) {
    if (row.mnemonic == decoded.mnemonic) return row.reason;
  }
  if (decoded.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return "a far branch";
  const bool has_modrm = (decoded.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;
  if (has_modrm && decoded.raw.modrm.mod == 0 && decoded.raw.modrm.rm == 5 && decoded.address_width != 64) {
    return "a 32-bit address relative to itself";
  }
  if (decoded.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE && decoded.operand_width == 16) return "a 16-bit branch";
  return nullptr;
}

Flow FlowOf(const ZydisDecodedInstruction& decoded) {
  const bool is_direct = decoded.raw.imm[0].is_relative != 0;
  switch (decoded.meta.category) {
    case ZYDIS_CATEGORY_RET:
      return Flow::kReturn;
    case ZYDIS_CATEGORY_CALL:
      return is_direct ? Flow::kCall : Flow::kIndirectCall;
    case ZYDIS_CATEGORY_UNCOND_BR:
      return is_direct ? Flow::kJump : Flow::kIndirectJump;
    case ZYDIS_CATEGORY_COND_BR:
      // loop, loope, loopne and jrcxz are E0..E3; the opcodes of jcc are 70..7F and 0F 80..8F.
      return decoded.opcode >= 0xe0 ? Flow::kLoop : Flow::kConditional;
    default:
      return Flow::kNext;
  }
}

bool UsesStackPointer(const ZydisDecodedInstruction& decoded) {
  const auto& raw = decoded.raw;
  if (raw.rex.B != 0 || raw.modrm.rm != kRspField) return false;
  return raw.modrm.mod == 3 || raw.sib.base == kRspField;
}

}  // namespace

std::optional<Instruction> Decode(std::span<const std::byte> code) {
  ZydisDecodedInstruction decoded;
  ZydisDecoderContext context;
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&Decoder(), &context, code.data(), code.size(), &decoded))) {
    return std::nullopt;
  }
  Instruction made;
  made.size = decoded.length;
  made.flow = FlowOf(decoded);
  made.is_padding = decoded.meta.category == ZYDIS_CATEGORY_NOP || decoded.meta.category == ZYDIS_CATEGORY_WIDENOP ||
                    decoded.mnemonic == ZYDIS_MNEMONIC_INT3;
  made.is_pop = decoded.mnemonic == ZYDIS_MNEMONIC_POP;
  made.refusal = RefusalOf(decoded);
  made.prefix_size = decoded.raw.prefix_count;
  made.condition = decoded.opcode & 0x0f;
  if (IsDirectBranch(made)) made.target = decoded.length + decoded.raw.imm[0].value.s;
  if ((decoded.attributes & ZYDIS_ATTRIB_HAS_MODRM) == 0) return made;
  made.modrm_offset = decoded.raw.modrm.offset;
  made.uses_stack_pointer = UsesStackPointer(decoded);
  if (decoded.raw.modrm.mod == 0 && decoded.raw.modrm.rm == 5) {
    made.rip_operand = decoded.raw.disp.offset;
    made.target = decoded.length + decoded.raw.disp.value;
  }
  return made;
}

}  // namespace strata::attach
