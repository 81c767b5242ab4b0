// What CO-RE does to instructions.
#include "core_case.h"
#include "strata/isa/builder.h"

namespace strata::btf {
namespace {

using isa::Instruction;
using testing::HasSubstr;

constexpr auto kPoison = Instruction{.opcode = 0x85, .imm = 0xbad2310};

// A struct before and after: `number` u32 at 4 to u64 at 16, `sign` int at 8 to long at 24, `link` pointer at 16 to 8,
// `far` to 40000, `gone` away; `same` int at 0 to 4.
class CorePatch : public testing::Test {
 protected:
  CorePatch() {
    const TypeId number = local_.Number("u32", 4);
    const TypeId sign = local_.Signed();
    const TypeId link = local_.To(kVoid);
    type_ = local_.Record("thing", 40,
                          {{"same", sign, 0},
                           {"number", number, 32},
                           {"sign", sign, 64},
                           {"link", link, 128},
                           {"far", number, 192},
                           {"gone", number, 224},
                           {"bits", number, 256, 3}});
    const TypeId wide = target_.Number("u64", 8);
    const TypeId small = target_.Number("long int", 4, true);
    const TypeId there = target_.Number("u32", 4);
    target_.Record("thing", 50000,
                   {{"same", target_.Signed(), 32},
                    {"number", wide, 128},
                    {"sign", target_.Number("s64", 8, true), 192},
                    {"link", target_.To(kVoid), 64},
                    {"far", there, 40000 * 8},
                    {"bits", there, 256, 3},
                    {"short", small, 300}});
  }

  // Relocates one instruction (two slots for an ldimm64) and returns it, or the error.
  std::vector<Instruction> code_;
  std::string Relocate(std::vector<Instruction> code, const char* access, CoreKind kind = CoreKind::kFieldByteOffset,
                       std::uint32_t index = 0) {
    code_ = std::move(code);
    CoreRelocator relocator(local_.Done(), {target_.Done()});
    const CoreRelocation relocation{{index}, type_, access, static_cast<std::uint32_t>(kind)};
    const auto poisoned = relocator.Relocate({&relocation, 1}, code_);
    if (!poisoned) return "error: " + poisoned.error().message();
    return poisoned->empty() ? "" : poisoned->front().reason;
  }

  TypesOf local_;
  TypesOf target_;
  TypeId type_;
};

Instruction Load(std::uint8_t opcode, std::int16_t offset) {
  return {.opcode = opcode, .dst = 1, .src = 2, .offset = offset};
}

TEST_F(CorePatch, ChangesImmediatesOfArithmetic) {
  EXPECT_EQ(Relocate({{.opcode = 0xb7, .dst = 1, .imm = 8}}, "0:2"), "");
  EXPECT_EQ(code_[0], (Instruction{.opcode = 0xb7, .dst = 1, .imm = 24}));
  EXPECT_EQ(Relocate({{.opcode = 0x04, .dst = 3, .imm = 0}}, "0:0"), "");
  EXPECT_EQ(code_[0].imm, 4);
  EXPECT_EQ(Relocate({{.opcode = 0xb7, .imm = 1}}, "0:5", CoreKind::kFieldExists), "");
  EXPECT_EQ(code_[0].imm, 0);
}

TEST_F(CorePatch, ChangesOffsetsOfLoadsAndStores) {
  for (const std::uint8_t opcode : {0x61, 0x63, 0x62, 0x81}) {
    EXPECT_EQ(Relocate({Load(opcode, 0)}, "0:0"), "");
    EXPECT_EQ(code_[0], Load(opcode, 4));
  }
}

TEST_F(CorePatch, AdjustsTheWidthOfUnsignedAccesses) {
  EXPECT_EQ(Relocate({Load(0x61, 4)}, "0:1"), "");
  EXPECT_EQ(code_[0], Load(0x79, 16));
  EXPECT_EQ(Relocate({Load(0x63, 4)}, "0:1"), "");
  EXPECT_EQ(code_[0], Load(0x7b, 16));
  EXPECT_EQ(Relocate({Load(0x62, 4)}, "0:1"), "");
  EXPECT_EQ(code_[0], Load(0x7a, 16));
  // Pointers of a target with 32 bits.
  EXPECT_EQ(Relocate({Load(0x79, 16)}, "0:3"), "");
  EXPECT_EQ(code_[0], Load(0x61, 8));
}

TEST_F(CorePatch, PoisonsAccessesThatCannotBeAdjusted) {
  EXPECT_EQ(Relocate({Load(0x61, 8)}, "0:2"),
            "field_byte_offset of struct thing.sign (0:2): the field has another size in the target, and is neither "
            "pointer nor unsigned integer");
  EXPECT_EQ(code_[0], kPoison);
  // A load that extends the sign would take it from the wrong bit.
  EXPECT_THAT(Relocate({Load(0x81, 4)}, "0:1"), HasSubstr("another size"));
  EXPECT_EQ(code_[0], kPoison);
}

TEST_F(CorePatch, PoisonsWhatHasNoAnswer) {
  const std::string reason = "field_byte_offset of struct thing.gone (0:5): no such field in the target";
  EXPECT_EQ(Relocate({Load(0x61, 28)}, "0:5"), reason);
  EXPECT_EQ(code_[0], kPoison);
  EXPECT_EQ(Relocate({{.opcode = 0xb7, .dst = 1, .imm = 28}}, "0:5"), reason);
  EXPECT_EQ(code_[0], kPoison);
  EXPECT_EQ(Relocate({{.opcode = 0x18, .dst = 1, .imm = 28}, {}}, "0:5"), reason);
  EXPECT_EQ(code_[0], kPoison);
  EXPECT_EQ(code_[1], kPoison);
}

TEST_F(CorePatch, FillsBothHalvesOfA64BitLoad) {
  TypesOf to;
  local_.WideNames("wide", {{"VALUE", 0x100000002}});
  const TypeId wide{local_.next().value - 1};
  to.WideNames("wide", {{"VALUE", -2}});
  CoreRelocator relocator(local_.Done(), {to.Done()});
  const CoreRelocation relocation{{0}, wide, "0", static_cast<std::uint32_t>(CoreKind::kEnumValue)};
  std::vector<Instruction> code = {{.opcode = 0x18, .dst = 1, .imm = 2}, {.imm = 1}};
  ASSERT_TRUE(relocator.Relocate({&relocation, 1}, code));
  EXPECT_EQ(code[0].imm, -2);
  EXPECT_EQ(code[1].imm, -1);
}

// Clang writes constants of unsigned enums zero-extended; their BTF cannot say that they are unsigned.
TEST_F(CorePatch, KeepsWhatA32BitEnumIsToItsCode) {
  TypesOf from;
  TypesOf to;
  const TypeId flags = from.Names("flags", {{"TOP", 0x80000001}});
  to.Names("flags", {{"TOP", 0x80000003}});
  const CoreRelocation relocation{{0}, flags, "0", static_cast<std::uint32_t>(CoreKind::kEnumValue)};
  CoreRelocator relocator(from.Done(), {to.Done()});
  const auto low = static_cast<std::int32_t>(0x80000001);
  std::vector<Instruction> extended = {{.opcode = 0x18, .imm = low}, {.imm = -1}};
  ASSERT_TRUE(relocator.Relocate({&relocation, 1}, extended));
  EXPECT_EQ(extended[1].imm, -1);
  std::vector<Instruction> plain = {{.opcode = 0x18, .imm = low}, {.imm = 0}};
  ASSERT_TRUE(relocator.Relocate({&relocation, 1}, plain));
  EXPECT_EQ(plain[0].imm, static_cast<std::int32_t>(0x80000003));
  EXPECT_EQ(plain[1].imm, 0);
}

TEST_F(CorePatch, RefusesInstructionsThatDoNotFit) {
  struct Case {
    std::vector<Instruction> code;
    const char* access;
    const char* error;
  };
  const Case cases[] = {
      {{{.opcode = 0xb7, .imm = 9}}, "0:2", "its constant is 9, the compiler should have written 8"},
      {{Load(0x61, 5)}, "0:1", "its offset is 5, the compiler should have written 4"},
      {{{.opcode = 0x18, .imm = 1}, {}}, "0:2", "its number is 1"},
      {{{.opcode = 0x18, .src = 1, .imm = 8}, {}}, "0:2", "its 64-bit load is not one of a number"},
      {{{.opcode = 0x18, .imm = 8}, {.opcode = 1}}, "0:2", "its 64-bit load is not one of a number"},
      {{{.opcode = 0x18, .imm = 8}}, "0:2", "its 64-bit load is not one of a number"},
      {{{.opcode = 0xbf, .imm = 8}}, "0:2", "its arithmetic has no constant"},
      {{{.opcode = 0x85, .imm = 8}}, "0:2", "opcode 0x85 holds nothing that can be relocated"},
      {{{.opcode = 0x20, .imm = 8}}, "0:2", "opcode 0x20 holds nothing that can be relocated"},
      {{Load(0x61, 24)}, "0:4", "offset 40000 does not fit a load or store"},
      {{Load(0x69, 4)}, "0:1", "it accesses 2 bytes of a field of 4"},
  };
  for (const Case& row : cases) {
    const std::string error = Relocate(row.code, row.access);
    EXPECT_THAT(error, HasSubstr("error: instruction 0: CO-RE relocation field_byte_offset of struct thing."));
    EXPECT_THAT(error, HasSubstr(row.error));
  }
  EXPECT_THAT(Relocate({Load(0x61, 0)}, "0:0", CoreKind::kFieldByteOffset, 1),
              HasSubstr("the code has 1 instructions"));
}

TEST_F(CorePatch, LeavesBitfieldOffsetsUnchecked) {
  EXPECT_EQ(Relocate({Load(0x71, 77)}, "0:6"), "");
  EXPECT_EQ(code_[0], Load(0x71, 32));
}

TEST_F(CorePatch, RelocatesEachInstructionOnItsOwn) {
  CoreRelocator relocator(local_.Done(), {target_.Done()});
  const CoreRelocation relocations[] = {{{0}, type_, "0:0", 0}, {{1}, type_, "0:5", 0}, {{2}, type_, "0:5", 0}};
  std::vector<Instruction> code = {Load(0x61, 0), Load(0x61, 28), Load(0x61, 28)};
  const auto poisoned = relocator.Relocate(relocations, code).value();
  ASSERT_EQ(poisoned.size(), 2U);
  EXPECT_EQ(poisoned[0].index.value, 1U);
  EXPECT_EQ(poisoned[1].index.value, 2U);
  EXPECT_EQ(code[0], Load(0x61, 4));
}

}  // namespace
}  // namespace strata::btf
