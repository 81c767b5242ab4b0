#include "unwind_expression.h"

#include "unwind_cursor.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kMaxOperations = 128;
constexpr std::uint32_t kExpressionStack = 16;

bool Binary(std::uint8_t opcode, std::uint64_t a, std::uint64_t b, std::uint64_t* out) {
  const auto signed_a = static_cast<std::int64_t>(a);
  const auto signed_b = static_cast<std::int64_t>(b);
  switch (opcode) {
    case 0x1a:
      *out = a & b;
      return true;
    case 0x1c:
      *out = a - b;
      return true;
    case 0x1e:
      *out = a * b;
      return true;
    case 0x21:
      *out = a | b;
      return true;
    case 0x22:
      *out = a + b;
      return true;
    case 0x24:
      *out = b < 64 ? a << b : 0;
      return true;
    case 0x25:
      *out = b < 64 ? a >> b : 0;
      return true;
    case 0x27:
      *out = a ^ b;
      return true;
    case 0x29:
      *out = signed_a == signed_b;
      return true;
    case 0x2a:
      *out = signed_a >= signed_b;
      return true;
    case 0x2b:
      *out = signed_a > signed_b;
      return true;
    case 0x2c:
      *out = signed_a <= signed_b;
      return true;
    case 0x2d:
      *out = signed_a < signed_b;
      return true;
    case 0x2e:
      *out = signed_a != signed_b;
      return true;
    default:
      return false;
  }
}

// What compilers, linkers and libc put into frame information (section 2.5).
class ExpressionMachine {
 public:
  ExpressionMachine(Process& process, const FrameRegisters& registers) : process_(process), registers_(registers) {}
  bool Push(std::uint64_t value) {
    if (depth_ == kExpressionStack) return false;
    stack_[depth_++] = value;
    return true;
  }
  bool Step(UnwindCursor& cursor);
  bool Top(std::uint64_t* out) const {
    if (depth_ == 0) return false;
    *out = stack_[depth_ - 1];
    return true;
  }

 private:
  bool PushRegister(std::uint64_t reg, std::int64_t offset) {
    if (reg >= kDwarfRegisters || !registers_.Has(static_cast<std::uint32_t>(reg))) return false;
    return Push(registers_.value[reg] + static_cast<std::uint64_t>(offset));
  }
  bool Dereference(std::size_t bytes) {
    if (depth_ == 0 || bytes == 0 || bytes > 8) return false;
    std::uint64_t value = 0;
    if (GuardedRead(process_, &value, stack_[depth_ - 1], bytes) != 0) return false;
    stack_[depth_ - 1] = value;
    return true;
  }
  bool StepStack(std::uint8_t opcode);

  Process& process_;
  const FrameRegisters& registers_;
  std::uint64_t stack_[kExpressionStack] = {};
  std::uint32_t depth_ = 0;
};

bool ExpressionMachine::StepStack(std::uint8_t opcode) {
  switch (opcode) {
    case 0x12:  // dup
      return depth_ >= 1 && Push(stack_[depth_ - 1]);
    case 0x13:  // drop
      return depth_ >= 1 && (--depth_, true);
    case 0x14:  // over
      return depth_ >= 2 && Push(stack_[depth_ - 2]);
    case 0x16: {  // swap
      if (depth_ < 2) return false;
      const std::uint64_t top = stack_[depth_ - 1];
      stack_[depth_ - 1] = stack_[depth_ - 2];
      stack_[depth_ - 2] = top;
      return true;
    }
    default:
      if (depth_ < 2) return false;
      --depth_;
      return Binary(opcode, stack_[depth_ - 1], stack_[depth_], &stack_[depth_ - 1]);
  }
}

bool ExpressionMachine::Step(UnwindCursor& cursor) {
  const auto opcode = cursor.Read<std::uint8_t>();
  if (opcode >= 0x30 && opcode < 0x50) return Push(opcode - 0x30U);  // lit0 .. lit31
  if (opcode >= 0x70 && opcode < 0x90) return PushRegister(opcode - 0x70U, cursor.ReadSleb());
  switch (opcode) {
    case 0x06:  // deref
      return Dereference(8);
    case 0x94:  // deref_size
      return Dereference(cursor.Read<std::uint8_t>());
    case 0x08:
      return Push(cursor.Read<std::uint8_t>());
    case 0x09:
      return Push(static_cast<std::uint64_t>(std::int64_t{cursor.Read<std::int8_t>()}));
    case 0x0a:
      return Push(cursor.Read<std::uint16_t>());
    case 0x0b:
      return Push(static_cast<std::uint64_t>(std::int64_t{cursor.Read<std::int16_t>()}));
    case 0x0c:
      return Push(cursor.Read<std::uint32_t>());
    case 0x0d:
      return Push(static_cast<std::uint64_t>(std::int64_t{cursor.Read<std::int32_t>()}));
    case 0x10:
      return Push(cursor.ReadUleb());
    case 0x11:
      return Push(static_cast<std::uint64_t>(cursor.ReadSleb()));
    case 0x23: {  // plus_uconst
      const std::uint64_t addend = cursor.ReadUleb();
      if (depth_ == 0) return false;
      stack_[depth_ - 1] += addend;
      return true;
    }
    case 0x96:  // nop
      return true;
    default:
      return StepStack(opcode);
  }
}

}  // namespace

bool EvaluateExpression(Process& process, std::uint64_t address, const FrameRegisters& registers,
                        const std::uint64_t* first, std::uint64_t* out) noexcept {
  constexpr std::uint64_t kMost = 4096;
  UnwindCursor length(process, address, address + kMost);
  const std::uint64_t bytes = length.ReadUleb();
  if (!length.is_good() || bytes > kMost) return false;
  UnwindCursor cursor(process, length.at(), length.at() + bytes);
  ExpressionMachine machine(process, registers);
  if (first != nullptr && !machine.Push(*first)) return false;
  for (std::uint32_t i = 0; i < kMaxOperations && cursor.has_more(); ++i) {
    if (!machine.Step(cursor)) return false;
  }
  return cursor.is_good() && !cursor.has_more() && machine.Top(out);
}

}  // namespace strata::runtime
