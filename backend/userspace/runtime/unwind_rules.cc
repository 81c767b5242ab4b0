#include "unwind_rules.h"

#include "unwind_cursor.h"
#include "unwind_registers.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kMaxInstructions = 4096;
constexpr std::uint32_t kMaxRemembered = 4;

struct CommonInformation {
  std::uint64_t code_alignment = 1;
  std::int64_t data_alignment = 1;
  std::uint8_t pointer_encoding = 0;
  bool has_augmentation = false;
  bool is_signal_frame = false;
  std::uint64_t program = 0;
  std::uint64_t program_end = 0;
};

// The end of an entry of .eh_frame; the cursor stands behind its length.
std::uint64_t ReadEntryEnd(UnwindCursor& cursor) {
  const auto length = cursor.Read<std::uint32_t>();
  constexpr std::uint32_t kLongLength = 0xffffffff;
  if (length == 0 || length == kLongLength) return 0;
  return cursor.at() + length;
}

bool ReadCommon(Process& process, std::uint64_t address, CommonInformation* out) {
  constexpr std::uint64_t kMost = 4096;
  UnwindCursor cursor(process, address, address + kMost);
  out->program_end = ReadEntryEnd(cursor);
  if (out->program_end == 0 || cursor.Read<std::uint32_t>() != 0) return false;
  const auto version = cursor.Read<std::uint8_t>();
  if (version != 1 && version != 3) return false;
  char augmentation[8] = {};
  for (std::uint32_t i = 0;; ++i) {
    if (i == sizeof(augmentation)) return false;
    augmentation[i] = static_cast<char>(cursor.Read<std::uint8_t>());
    if (augmentation[i] == 0) break;
  }
  out->code_alignment = cursor.ReadUleb();
  out->data_alignment = cursor.ReadSleb();
  const std::uint64_t return_register = version == 1 ? cursor.Read<std::uint8_t>() : cursor.ReadUleb();
  if (return_register != kDwarfReturnAddress) return false;
  if (augmentation[0] != 0 && augmentation[0] != 'z') return false;
  out->has_augmentation = augmentation[0] == 'z';
  if (out->has_augmentation) {
    const std::uint64_t bytes = cursor.ReadUleb();
    const std::uint64_t behind = cursor.at() + bytes;
    for (std::uint32_t i = 1; augmentation[i] != 0; ++i) {
      const char letter = augmentation[i];
      if (letter == 'R') out->pointer_encoding = cursor.Read<std::uint8_t>();
      if (letter == 'L') cursor.Read<std::uint8_t>();
      if (letter == 'S') out->is_signal_frame = true;
      if (letter == 'P') {
        const auto encoding = cursor.Read<std::uint8_t>();
        cursor.ReadEncoded(static_cast<std::uint8_t>(encoding & ~kEncodingIndirect));
      }
      if (letter != 'R' && letter != 'L' && letter != 'S' && letter != 'P') return false;
    }
    out->program = behind;
  } else {
    out->program = cursor.at();
  }
  return cursor.is_good() && out->code_alignment != 0;
}

// Runs call frame instructions up to the one that holds for an address.
class RuleMachine {
 public:
  RuleMachine(Process& process, const CommonInformation& common, FrameRules* rules)
      : process_(process), common_(common), rules_(*rules) {}

  void SetInitial() { initial_ = rules_; }
  // `location` is where the program begins; false for what is not understood.
  bool Run(std::uint64_t begin, std::uint64_t end, std::uint64_t location, std::uint64_t target);

 private:
  bool Step(UnwindCursor& cursor, std::uint8_t opcode);
  bool StepExtended(UnwindCursor& cursor, std::uint8_t opcode);
  void Save(std::uint64_t reg, RegisterRule rule, std::int64_t value) {
    if (reg == kDwarfFramePointer) rules_.frame_pointer = {rule, value};
    if (reg == kDwarfReturnAddress) rules_.return_address = {rule, value};
  }
  void Restore(std::uint64_t reg) {
    if (reg == kDwarfFramePointer) rules_.frame_pointer = initial_.frame_pointer;
    if (reg == kDwarfReturnAddress) rules_.return_address = initial_.return_address;
  }
  void SetCfa(std::uint64_t reg, std::int64_t offset) {
    rules_.is_expression = false;
    rules_.cfa_register = static_cast<std::uint8_t>(reg < kDwarfRegisters ? reg : kDwarfRegisters);
    rules_.cfa_value = offset;
  }
  // An expression's address; its length is skipped with it.
  std::int64_t SkipExpression(UnwindCursor& cursor) {
    const auto address = static_cast<std::int64_t>(cursor.at());
    cursor.Skip(cursor.ReadUleb());
    return address;
  }
  std::int64_t Factored(std::int64_t value) const { return value * common_.data_alignment; }

  Process& process_;
  const CommonInformation& common_;
  FrameRules& rules_;
  FrameRules initial_{};
  FrameRules remembered_[kMaxRemembered] = {};
  std::uint32_t remembered_count_ = 0;
  std::uint64_t location_ = 0;
};

bool RuleMachine::Run(std::uint64_t begin, std::uint64_t end, std::uint64_t location, std::uint64_t target) {
  UnwindCursor cursor(process_, begin, end);
  location_ = location;
  for (std::uint32_t i = 0; i < kMaxInstructions && cursor.has_more(); ++i) {
    if (!Step(cursor, cursor.Read<std::uint8_t>())) return false;
    if (location_ > target) return cursor.is_good();
  }
  return cursor.is_good() && !cursor.has_more();
}

// Sections 6.4.2 and 7.24. A step past the target is undone by Run's return: the rules are those before it.
bool RuleMachine::Step(UnwindCursor& cursor, std::uint8_t opcode) {
  const std::uint8_t operand = opcode & 0x3f;
  switch (opcode & 0xc0) {
    case 0x40:  // advance_loc
      location_ += operand * common_.code_alignment;
      return true;
    case 0x80:  // offset
      Save(operand, RegisterRule::kAtOffset, Factored(static_cast<std::int64_t>(cursor.ReadUleb())));
      return true;
    case 0xc0:  // restore
      Restore(operand);
      return true;
    default:
      return StepExtended(cursor, opcode);
  }
}

bool RuleMachine::StepExtended(UnwindCursor& cursor, std::uint8_t opcode) {
  switch (opcode) {
    case 0x00:  // nop
      return true;
    case 0x01:  // set_loc
      location_ = cursor.ReadEncoded(common_.pointer_encoding);
      return true;
    case 0x02:  // advance_loc1
      location_ += cursor.Read<std::uint8_t>() * common_.code_alignment;
      return true;
    case 0x03:  // advance_loc2
      location_ += cursor.Read<std::uint16_t>() * common_.code_alignment;
      return true;
    case 0x04:  // advance_loc4
      location_ += cursor.Read<std::uint32_t>() * common_.code_alignment;
      return true;
    case 0x05: {  // offset_extended
      const std::uint64_t reg = cursor.ReadUleb();
      Save(reg, RegisterRule::kAtOffset, Factored(static_cast<std::int64_t>(cursor.ReadUleb())));
      return true;
    }
    case 0x06:  // restore_extended
      Restore(cursor.ReadUleb());
      return true;
    case 0x07:  // undefined
      Save(cursor.ReadUleb(), RegisterRule::kUndefined, 0);
      return true;
    case 0x08:  // same_value
      Save(cursor.ReadUleb(), RegisterRule::kSame, 0);
      return true;
    case 0x09: {  // register: what is kept in another one is not followed
      const std::uint64_t reg = cursor.ReadUleb();
      cursor.ReadUleb();
      Save(reg, RegisterRule::kUndefined, 0);
      return reg != kDwarfReturnAddress;
    }
    case 0x0a:  // remember_state
      if (remembered_count_ == kMaxRemembered) return false;
      remembered_[remembered_count_++] = rules_;
      return true;
    case 0x0b:  // restore_state
      if (remembered_count_ == 0) return false;
      rules_ = remembered_[--remembered_count_];
      return true;
    case 0x0c: {  // def_cfa
      const std::uint64_t reg = cursor.ReadUleb();
      SetCfa(reg, static_cast<std::int64_t>(cursor.ReadUleb()));
      return true;
    }
    case 0x0d:  // def_cfa_register
      SetCfa(cursor.ReadUleb(), rules_.cfa_value);
      return true;
    case 0x0e:  // def_cfa_offset
      rules_.cfa_value = static_cast<std::int64_t>(cursor.ReadUleb());
      return true;
    case 0x0f:  // def_cfa_expression
      rules_.is_expression = true;
      rules_.cfa_value = SkipExpression(cursor);
      return true;
    case 0x10: {  // expression
      const std::uint64_t reg = cursor.ReadUleb();
      Save(reg, RegisterRule::kAtExpression, SkipExpression(cursor));
      return true;
    }
    case 0x11: {  // offset_extended_sf
      const std::uint64_t reg = cursor.ReadUleb();
      Save(reg, RegisterRule::kAtOffset, Factored(cursor.ReadSleb()));
      return true;
    }
    case 0x12: {  // def_cfa_sf
      const std::uint64_t reg = cursor.ReadUleb();
      SetCfa(reg, Factored(cursor.ReadSleb()));
      return true;
    }
    case 0x13:  // def_cfa_offset_sf
      rules_.cfa_value = Factored(cursor.ReadSleb());
      return true;
    case 0x14: {  // val_offset
      const std::uint64_t reg = cursor.ReadUleb();
      Save(reg, RegisterRule::kIsOffset, Factored(static_cast<std::int64_t>(cursor.ReadUleb())));
      return true;
    }
    case 0x15: {  // val_offset_sf
      const std::uint64_t reg = cursor.ReadUleb();
      Save(reg, RegisterRule::kIsOffset, Factored(cursor.ReadSleb()));
      return true;
    }
    case 0x16: {  // val_expression
      const std::uint64_t reg = cursor.ReadUleb();
      SkipExpression(cursor);
      Save(reg, RegisterRule::kUndefined, 0);
      return reg != kDwarfReturnAddress;
    }
    case 0x2e:  // GNU_args_size
      cursor.ReadUleb();
      return true;
    default:
      return false;
  }
}

// The entry of the sorted table for the last function that begins at or before `address`; 0 without one.
std::uint64_t FindDescription(Process& process, std::uint64_t header, std::uint64_t address) {
  struct Header {
    std::uint8_t version, frame_encoding, count_encoding, table_encoding;
    std::int32_t frame;
    std::uint32_t count;
  } head;
  struct Row {
    std::int32_t function, description;  // bytes from the header
  } row;
  static_assert(sizeof(Header) == 12 && sizeof(Row) == 8);
  if (GuardedRead(process, &head, header, sizeof(head)) != 0) return 0;
  if (head.version != 1 || head.frame_encoding != (kEncodingPcRelative | kEncodingSigned32) ||
      head.count_encoding != 0x03 || head.table_encoding != (kEncodingDataRelative | kEncodingSigned32))
    return 0;
  const std::uint64_t table = header + sizeof(head);
  const auto wanted = static_cast<std::int64_t>(address - header);
  std::uint32_t first = 0;
  std::uint32_t count = head.count;
  while (count > 0) {  // the first row that begins behind it
    const std::uint32_t half = count / 2;
    if (GuardedRead(process, &row, table + std::uint64_t{first + half} * sizeof(row), sizeof(row)) != 0) return 0;
    if (row.function <= wanted) {
      first += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  if (first == 0 || GuardedRead(process, &row, table + std::uint64_t{first - 1} * sizeof(row), sizeof(row)) != 0)
    return 0;
  return header + static_cast<std::uint64_t>(std::int64_t{row.description});
}

}  // namespace

bool FindFrameRules(Process& process, std::uint64_t header, std::uint64_t address, FrameRules* out) noexcept {
  const std::uint64_t description = FindDescription(process, header, address);
  if (description == 0) return false;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 20;
  UnwindCursor cursor(process, description, description + kMost);
  const std::uint64_t end = ReadEntryEnd(cursor);
  if (end == 0 || end - description > kMost) return false;
  const std::uint64_t place = cursor.at();
  const auto distance = cursor.Read<std::uint32_t>();
  CommonInformation common;
  if (distance == 0 || !ReadCommon(process, place - distance, &common)) return false;
  if (common.pointer_encoding == kEncodingOmitted) return false;
  const std::uint64_t begin = cursor.ReadEncoded(common.pointer_encoding);
  const std::uint64_t size = cursor.ReadEncoded(common.pointer_encoding & 0x0f);
  if (common.has_augmentation) cursor.Skip(cursor.ReadUleb());
  if (!cursor.is_good() || address < begin || address - begin >= size) return false;
  *out = FrameRules{};
  out->is_signal_frame = common.is_signal_frame;
  out->cfa_register = kDwarfRegisters;
  RuleMachine machine(process, common, out);
  if (!machine.Run(common.program, common.program_end, begin, ~std::uint64_t{0})) return false;
  machine.SetInitial();
  return machine.Run(cursor.at(), end, begin, address);
}

}  // namespace strata::runtime
