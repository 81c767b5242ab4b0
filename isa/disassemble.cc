#include "strata/isa/disassemble.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "strata/isa/decode.h"

namespace strata::isa {
namespace {

struct Context {
  std::span<const Instruction> code;
  InsnIndex index;
  const OpcodeInfo& info;
  const DisassemblyNames& names;
  const Instruction& insn() const { return code[index.value]; }
};

// Registers of 32-bit operations are written w0 .. w10.
char RegisterLetter(const Context& at) {
  return at.info.op_class == OpClass::kAlu32 || at.info.op_class == OpClass::kJump32 ? 'w' : 'r';
}

std::string Memory(const Context& at, int base) {
  return fmt::format("({} *)(r{} {:+})", at.info.symbol, base, at.insn().offset);
}

std::string SecondOperand(const Context& at) {
  if (UsesSourceRegister(at.insn().opcode)) return fmt::format("{}{}", RegisterLetter(at), +at.insn().src);
  return fmt::format("{}", at.insn().imm);
}

std::string Division(const Context& at) {
  return fmt::format("{}{} {}{} {}", RegisterLetter(at), +at.insn().dst, at.insn().offset == 1 ? "s" : "",
                     at.info.symbol, SecondOperand(at));
}

std::string Move(const Context& at) {
  const Instruction& insn = at.insn();
  if (insn.offset == 1) {
    return fmt::format("r{} = addr_space_cast(r{}, {}, {})", +insn.dst, +insn.src,
                       static_cast<std::uint32_t>(insn.imm) >> 16, insn.imm & 0xffff);
  }
  const std::string extend = insn.offset == 0 ? "" : fmt::format("(s{})", insn.offset);
  const char letter = RegisterLetter(at);
  return fmt::format("{}{} = {}{}{}", letter, +insn.dst, extend, letter, +insn.src);
}

// Where a jump leads: its target's label or its distance.
std::string Destination(const Context& at) {
  std::string label = at.names.label ? at.names.label(TargetOf(at.insn(), at.index, at.info.form)) : "";
  if (!label.empty()) return label;
  const std::int32_t distance = at.info.form == OperandForm::kJumpLong ? at.insn().imm : at.insn().offset;
  return fmt::format("pc{:+}", distance);
}

std::string Branch(const Context& at) {
  const std::string second = UsesSourceRegister(at.insn().opcode)
                                 ? SecondOperand(at)
                                 : fmt::format("{:#x}", static_cast<std::uint32_t>(at.insn().imm));
  return fmt::format("if {}{} {} {} goto {}", RegisterLetter(at), +at.insn().dst, at.info.symbol, second,
                     Destination(at));
}

// The name of the function that a call or callback leads to, or its distance.
std::string FunctionName(const Context& at) {
  const std::int64_t target = TargetOf(at.insn(), at.index, at.info.form);
  const bool is_inside = target >= 0 && target < static_cast<std::int64_t>(at.code.size());
  if (at.names.function && is_inside) {
    const std::string name = at.names.function(InsnIndex{static_cast<std::uint32_t>(target)});
    if (!name.empty()) return fmt::format("pc{:+}#{}", at.insn().imm, name);
  }
  return fmt::format("pc{:+}", at.insn().imm);
}

std::string Call(const Context& at) {
  const auto callee = static_cast<std::uint32_t>(at.insn().imm);
  switch (static_cast<PseudoCall>(at.insn().src)) {
    case PseudoCall::kFunction:
      return "call " + FunctionName(at);
    case PseudoCall::kKfunc: {
      const std::string name = at.names.kernel_function ? at.names.kernel_function(callee) : "";
      return fmt::format("call {}#{}", name.empty() ? "kernel-function" : name, callee);
    }
    case PseudoCall::kHelper:
      break;
  }
  const std::string name = at.names.helper ? at.names.helper(callee) : "";
  return fmt::format("call {}#{}", name.empty() ? "unknown" : name, callee);
}

std::string Atomic(const Context& at) {
  const Instruction& insn = at.insn();
  const AtomicInfo* atomic = FindAtomic(insn.imm);
  if (atomic == nullptr) return fmt::format("invalid atomic operation {:#x}", insn.imm);
  const std::string_view wide = AccessBytes(insn.opcode) == 8 ? "64" : "";
  switch (atomic->op) {
    case AtomicOp::kAdd:
    case AtomicOp::kOr:
    case AtomicOp::kAnd:
    case AtomicOp::kXor:
      return fmt::format("lock *{} {} r{}", Memory(at, insn.dst), atomic->symbol, +insn.src);
    case AtomicOp::kFetchAdd:
    case AtomicOp::kFetchOr:
    case AtomicOp::kFetchAnd:
    case AtomicOp::kFetchXor:
    case AtomicOp::kExchange:
      return fmt::format("r{} = atomic{}_{}({}, r{})", +insn.src, wide, atomic->name, Memory(at, insn.dst), +insn.src);
    case AtomicOp::kCompareExchange:
      return fmt::format("r0 = atomic{}_cmpxchg({}, r0, r{})", wide, Memory(at, insn.dst), +insn.src);
    case AtomicOp::kLoadAcquire:
      return fmt::format("r{} = load_acquire({})", +insn.dst, Memory(at, insn.src));
    case AtomicOp::kStoreRelease:
      return fmt::format("store_release({}, r{})", Memory(at, insn.dst), +insn.src);
  }
  return {};
}

std::string MapName(const Context& at, std::string_view unnamed_kind) {
  const std::string name = at.names.map ? at.names.map(at.index) : "";
  if (!name.empty()) return fmt::format("map[{}]", name);
  return fmt::format("map[{}:{}]", unnamed_kind, at.insn().imm);
}

std::string Immediate64(const Context& at) {
  const Instruction& insn = at.insn();
  if (at.index.value + 1 >= at.code.size())
    return fmt::format("r{} = {:#x} (second slot is missing)", +insn.dst, insn.imm);
  const Instruction& second = at.code[at.index.value + 1];
  std::string value;
  switch (static_cast<PseudoLoad>(insn.src)) {
    case PseudoLoad::kMapFd:
      value = MapName(at, "fd");
      break;
    case PseudoLoad::kMapIndex:
      value = MapName(at, "idx");
      break;
    case PseudoLoad::kMapValue:
      value = fmt::format("{}[0]+{}", MapName(at, "fd"), static_cast<std::uint32_t>(second.imm));
      break;
    case PseudoLoad::kMapIndexValue:
      value = fmt::format("{}[0]+{}", MapName(at, "idx"), static_cast<std::uint32_t>(second.imm));
      break;
    case PseudoLoad::kFunction:
      value = fmt::format("subprog[{:+}]", insn.imm);
      break;
    case PseudoLoad::kBtfId:
    case PseudoLoad::kNone:
      value = fmt::format("{:#x}", Imm64(insn, second));
      break;
  }
  return fmt::format("r{} = {}", +insn.dst, value);
}

std::string Text(const Context& at) {
  const Instruction& insn = at.insn();
  const char letter = RegisterLetter(at);
  switch (at.info.form) {
    case OperandForm::kAluImm:
    case OperandForm::kAluReg:
      return fmt::format("{}{} {} {}", letter, +insn.dst, at.info.symbol, SecondOperand(at));
    case OperandForm::kDivisionImm:
    case OperandForm::kDivisionReg:
      return Division(at);
    case OperandForm::kMoveReg:
      return Move(at);
    case OperandForm::kUnary:
      return fmt::format("{}{} = -{}{}", letter, +insn.dst, letter, +insn.dst);
    case OperandForm::kByteOrder:
      return fmt::format("r{} = {}{} r{}", +insn.dst, at.info.symbol, insn.imm, +insn.dst);
    case OperandForm::kJump:
    case OperandForm::kJumpLong:
    case OperandForm::kMayGoto:
      return fmt::format("{} {}", at.info.symbol, Destination(at));
    case OperandForm::kBranchImm:
    case OperandForm::kBranchReg:
      return Branch(at);
    case OperandForm::kCall:
      return Call(at);
    case OperandForm::kExit:
      return "exit";
    case OperandForm::kLoad:
      return fmt::format("r{} = *{}", +insn.dst, Memory(at, insn.src));
    case OperandForm::kStoreImm:
      return fmt::format("*{} = {}", Memory(at, insn.dst), insn.imm);
    case OperandForm::kStoreReg:
      return fmt::format("*{} = r{}", Memory(at, insn.dst), +insn.src);
    case OperandForm::kAtomic:
      return Atomic(at);
    case OperandForm::kLoadImm64:
      return Immediate64(at);
    case OperandForm::kPacketAbsolute:
      return fmt::format("r0 = *({} *)skb[{}]", at.info.symbol, insn.imm);
    case OperandForm::kPacketIndirect:
      return fmt::format("r0 = *({} *)skb[r{} + {}]", at.info.symbol, +insn.src, insn.imm);
  }
  return {};
}

}  // namespace

std::string Disassemble(std::span<const Instruction> code, InsnIndex index, const DisassemblyNames& names) {
  const OpcodeInfo* info = FindOpcode(code[index.value].opcode);
  if (info == nullptr) return fmt::format("invalid opcode {:#04x}", code[index.value].opcode);
  return Text(Context{code, index, *info, names});
}

std::string DisassembleProgram(std::span<const Instruction> code, const DisassemblyNames& names) {
  std::string text;
  for (InsnIndex at; at.value < code.size(); at.value += SlotCount(code[at.value])) {
    fmt::format_to(std::back_inserter(text), "{:4}: ({:02x}) {}\n", at.value, code[at.value].opcode,
                   Disassemble(code, at, names));
  }
  return text;
}

}  // namespace strata::isa
