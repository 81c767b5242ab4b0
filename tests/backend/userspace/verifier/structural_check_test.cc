#include "strata/backend/userspace/verifier/structural_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "strata/isa/builder.h"

namespace strata::verifier {
namespace {

using isa::Arithmetic;
using isa::Builder;
using isa::Condition;
using isa::Instruction;
using isa::kR0;
using isa::kR1;
using isa::kR10;
using isa::kR2;
using isa::kR3;
using isa::Label;
using isa::Size;
using isa::Width;

bool Known(std::uint32_t helper) { return helper == 1 || helper == 8 || helper == 181; }

std::vector<Instruction> Build(const std::function<void(Builder&)>& build) {
  Builder builder;
  build(builder);
  return std::move(builder).Build().value();
}

Result<StructuralFacts> Check(const std::vector<Instruction>& code) {
  return CheckStructure(code, ProgramType::kKprobe, Known, 2);
}

Instruction Slot(int opcode, int offset, int imm = 0, int src = 0) {
  Instruction slot;
  slot.opcode = static_cast<std::uint8_t>(opcode);
  slot.src = static_cast<std::uint8_t>(src) & 0xf;
  slot.offset = static_cast<std::int16_t>(offset);
  slot.imm = imm;
  return slot;
}
constexpr int kJa = 0x05, kExit = 0x95, kCall = 0x85, kLdImm64 = 0x18;

struct Refused {
  const char* name;
  std::vector<Instruction> code;
  ErrorCode error_code;
  const char* error;
};

// Call graphs: each function calls the next.
std::vector<Instruction> Chain(int functions) {
  return Build([&](Builder& b) {
    std::vector<Label> labels;
    for (int i = 0; i < functions; ++i) labels.push_back(b.NewLabel());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      b.Bind(labels[i]).Mov(kR0, 0);
      if (i + 1 < labels.size()) b.CallFunction(labels[i + 1]);
      b.Exit();
    }
  });
}

const Refused kRefused[] = {
    {"Empty", {}, ErrorCode::kVerifierRejected, "no instructions"},
    {"Undecodable", {Slot(0xff, 0)}, ErrorCode::kVerifierRejected, "instruction 0: unknown opcode 0xff"},
    {"FallsOffTheEnd", Build([](Builder& b) { b.Mov(kR0, 0); }), ErrorCode::kVerifierRejected,
     "instruction 0: last insn is not an exit or jmp"},
    {"FallsIntoTheNextFunction",
     {Slot(kCall, 0, 1, 1), Slot(0xb7, 0), Slot(kExit, 0)},
     ErrorCode::kVerifierRejected,
     "instruction 1: last insn is not an exit or jmp"},
    {"JumpPastTheEnd",
     {Slot(kJa, 5), Slot(kExit, 0)},
     ErrorCode::kVerifierRejected,
     "jump out of range from insn 0 to 6"},
    {"JumpBeforeTheStart",
     {Slot(kJa, -2), Slot(kExit, 0)},
     ErrorCode::kVerifierRejected,
     "jump out of range from insn 0 to -1"},
    {"JumpIntoAnotherFunction",
     {Slot(kCall, 0, 1, 1), Slot(kJa, 0), Slot(0xb7, 0), Slot(kExit, 0)},
     ErrorCode::kVerifierRejected,
     "jump out of range from insn 1 to 2"},
    {"JumpIntoLoadImm64",
     {Slot(kJa, 1), Slot(kLdImm64, 0), Slot(0, 0), Slot(kExit, 0)},
     ErrorCode::kVerifierRejected,
     "jump into the middle of ldimm64 from insn 0 to 2"},
    {"CallPastTheEnd",
     {Slot(kCall, 0, 7, 1), Slot(kExit, 0)},
     ErrorCode::kVerifierRejected,
     "instruction 0: call to invalid destination 8"},
    {"CallbackIntoLoadImm64",
     {Slot(kLdImm64, 0, 0, 4), Slot(0, 0), Slot(kExit, 0)},
     ErrorCode::kVerifierRejected,
     "instruction 0: call to invalid destination 1"},
    {"IncompleteLoadImm64",
     {Slot(kExit, 0), Slot(kLdImm64, 0)},
     ErrorCode::kVerifierRejected,
     "instruction 1: opcode 0x18 (ldimm64): second slot is missing"},
    {"Unreachable", {Slot(kJa, 1), Slot(0xb7, 0), Slot(kExit, 0)}, ErrorCode::kVerifierRejected, "unreachable insn 1"},
    {"UnreachableFunctions", Build([](Builder& b) {
       const Label one = b.NewLabel();
       const Label two = b.NewLabel();
       b.Mov(kR0, 0).Exit();
       b.Bind(one).CallFunction(two).Exit().Bind(two).CallFunction(one).Exit();
     }),
     ErrorCode::kVerifierRejected, "unreachable insn 2"},
    {"Recursion", Build([](Builder& b) {
       const Label function = b.NewLabel();
       b.CallFunction(function).Exit().Bind(function).CallFunction(function).Exit();
     }),
     ErrorCode::kVerifierRejected, "instruction 2: recursive call"},
    {"RecursionByCallback", Build([](Builder& b) {
       const Label function = b.NewLabel();
       b.CallFunction(function).Exit().Bind(function).LoadFunction(kR2, function).Call(181).Exit();
     }),
     ErrorCode::kVerifierRejected, "instruction 2: recursive call"},
    {"NineFrames", Chain(9), ErrorCode::kVerifierRejected, "instruction 22: the call stack of 9 frames is too deep"},
    {"StackBelowTheFrame", Build([](Builder& b) { b.Store(Size::k64, kR10, -520, 0).Exit(); }),
     ErrorCode::kVerifierRejected, "instruction 0: invalid write to stack R10 off=-520 size=8"},
    {"StackAboveTheFrame", Build([](Builder& b) { b.Load(Size::k64, kR0, kR10, -4).Exit(); }),
     ErrorCode::kVerifierRejected, "instruction 0: invalid read from stack R10 off=-4 size=8"},
    {"StackThroughACopy", Build([](Builder& b) { b.Mov(kR2, kR10).Add(kR2, -512).Store(Size::k8, kR2, -1, 0).Exit(); }),
     ErrorCode::kVerifierRejected, "instruction 2: invalid write to stack R2 off=-513 size=1"},
    {"UnknownHelper", Build([](Builder& b) { b.Call(99).Exit(); }), ErrorCode::kNotSupported,
     "instruction 0: helper bpf_skc_lookup_tcp: works on the kernel's sockets, not on the userspace backend"},
    {"KernelFunction", Build([](Builder& b) { b.CallKernelFunction(5).Exit(); }), ErrorCode::kNotSupported,
     "instruction 0: kernel function #5: not on the userspace backend"},
    {"MapPosition", Build([](Builder& b) { b.LoadMapIndex(kR1, 2).Exit(); }), ErrorCode::kVerifierRejected,
     "instruction 0: map 2: the program has 2 maps"},
    {"MapDescriptor", Build([](Builder& b) { b.LoadMapFd(kR1, 3).Exit(); }), ErrorCode::kVerifierRejected,
     "instruction 0: map given by descriptor: expected its position in the program's map table"},
    {"KernelVariable",
     {Slot(kLdImm64, 0, 1, 3), Slot(0, 0), Slot(kExit, 0)},
     ErrorCode::kNotSupported,
     "instruction 0: kernel variables: not on the userspace backend"},
    {"DivisionByZero", Build([](Builder& b) { b.Alu(Arithmetic::kMod, kR1, 0).Exit(); }), ErrorCode::kVerifierRejected,
     "instruction 0: div by zero"},
    {"Shift", Build([](Builder& b) { b.Alu(Arithmetic::kArsh, kR1, 32, Width::k32).Exit(); }),
     ErrorCode::kVerifierRejected, "instruction 0: invalid shift 32"},
    {"PacketLoad", Build([](Builder& b) { b.LoadPacket(Size::k8, 0).Exit(); }), ErrorCode::kVerifierRejected,
     "instruction 0: BPF_LD_[ABS|IND] instructions not allowed for this program type"},
    {"AddressSpaceCast", Build([](Builder& b) { b.AddressSpaceCast(kR1, kR1, 1, 0).Exit(); }),
     ErrorCode::kVerifierRejected,
     "instruction 0: addr_space_cast insn can only be used in a program that has an associated arena"},
};

class RefusedProgram : public testing::TestWithParam<Refused> {};

TEST_P(RefusedProgram, NamesInstructionAndReason) {
  const Result<StructuralFacts> facts = Check(GetParam().code);
  ASSERT_FALSE(facts.has_value());
  EXPECT_EQ(facts.error().message(), GetParam().error);
  EXPECT_EQ(facts.error().code(), GetParam().error_code);
}

INSTANTIATE_TEST_SUITE_P(StructuralCheck, RefusedProgram, testing::ValuesIn(kRefused),
                         [](const auto& row) { return row.param.name; });

TEST(StructuralCheck, RefusesMoreThanAMillionInstructions) {
  std::vector<Instruction> code(kMaxInstructions, Slot(0xb7, 0));
  code.push_back(Slot(kExit, 0));
  EXPECT_EQ(Check(code).error().message(), "1000001 instructions, more than the limit of 1000000");
}

TEST(StructuralCheck, AcceptsEightFrames) {
  const StructuralFacts facts = Check(Chain(8)).value();
  EXPECT_EQ(facts.call_depth, 8U);
  EXPECT_EQ(facts.functions.size(), 8U);
}

TEST(StructuralCheck, CollectsWhatAProgramUses) {
  const StructuralFacts facts = Check(Build([](Builder& b) {
                                  const Label again = b.NewLabel();
                                  b.Bind(again).LoadMapIndex(kR1, 1).Mov(kR2, kR10).Add(kR2, -4).Call(1);
                                  b.Call(8).JumpIf(Condition::kEqual, kR0, 0, again).Call(1).Exit();
                                })).value();
  EXPECT_THAT(facts.helpers, testing::ElementsAre(1, 8));
  EXPECT_THAT(facts.maps, testing::ElementsAre(1));
  EXPECT_TRUE(facts.has_backward_jumps);
  EXPECT_FALSE(facts.uses_callbacks);
  EXPECT_EQ(facts.stack_bytes, 8U);
}

TEST(StructuralCheck, CountsCallbacksAsCalls) {
  const StructuralFacts facts = Check(Build([](Builder& b) {
                                  const Label callback = b.NewLabel();
                                  b.LoadFunction(kR2, callback).Mov(kR1, 3).Call(181).Exit();
                                  b.Bind(callback).Store(Size::k64, kR10, -24, 0).Mov(kR0, 0).Exit();
                                })).value();
  EXPECT_TRUE(facts.uses_callbacks);
  EXPECT_EQ(facts.call_depth, 2U);
  EXPECT_EQ(facts.stack_bytes, 24U);
  EXPECT_THAT(
      facts.functions,
      testing::ElementsAre(
          FunctionFacts{.begin = {0}, .end = {5}},
          FunctionFacts{.begin = {5}, .end = {8}, .stack_bytes = 24, .is_callback = true, .reached_stack_bytes = 24}));
}

struct FrameRow {
  const char* name;
  std::function<void(Builder&)> build;
  std::uint32_t stack_bytes;
};

const FrameRow kFrames[] = {
    {"None", [](Builder& b) { b.Mov(kR0, 0).Exit(); }, 0},
    {"DirectStore", [](Builder& b) { b.Store(Size::k8, kR10, -17, 0).Exit(); }, 24},
    {"AddressForAHelper", [](Builder& b) { b.Mov(kR2, kR10).Add(kR2, -40).Call(1).Exit(); }, 40},
    {"SubtractedAddress", [](Builder& b) { b.Mov(kR2, kR10).Sub(kR2, 40).Call(1).Exit(); }, 40},
    {"AddressKeptAcrossBlocks",
     [](Builder& b) {
       const Label end = b.NewLabel();
       b.Mov(kR3, kR10)
           .Add(kR3, -16)
           .JumpIf(Condition::kEqual, kR1, 0, end)
           .Store(Size::k64, kR3, 0, 1)
           .Bind(end)
           .Exit();
     },
     16},
    {"AddressMovedDownInAnotherBlock",
     [](Builder& b) {
       const Label end = b.NewLabel();
       b.Mov(kR3, kR10)
           .JumpIf(Condition::kEqual, kR1, 0, end)
           .Bind(end)
           .Add(kR3, -100)
           .Store(Size::k64, kR3, 0, 1)
           .Exit();
     },
     512},
    {"AddressPlusRegister", [](Builder& b) { b.Mov(kR2, kR10).Add(kR2, kR1).Store(Size::k8, kR2, -64, 0).Exit(); },
     512},
    {"AddressAddedToRegister", [](Builder& b) { b.Add(kR1, kR10).Store(Size::k8, kR1, -64, 0).Exit(); }, 512},
    {"AddressForAFunction",
     [](Builder& b) {
       const Label function = b.NewLabel();
       b.Mov(kR1, kR10).Add(kR1, -8).CallFunction(function).Exit().Bind(function).Mov(kR0, 0).Exit();
     },
     512},
    {"SpilledAddress",
     [](Builder& b) {
       b.Mov(kR2, kR10).Add(kR2, -16).Store(Size::k64, kR10, -8, kR2).Load(Size::k64, kR3, kR10, -8).Add(kR3, -64);
       b.Store(Size::k8, kR3, 0, 0).Exit();
     },
     512},
};

class FrameSizeOf : public testing::TestWithParam<FrameRow> {};

TEST_P(FrameSizeOf, CoversEveryAccess) {
  const std::vector<Instruction> code = Build(GetParam().build);
  const Result<std::vector<FunctionFacts>> functions = FindFunctions(code);
  ASSERT_TRUE(functions.has_value()) << functions.error().message();
  EXPECT_EQ(functions->front().stack_bytes, GetParam().stack_bytes);
}

INSTANTIATE_TEST_SUITE_P(FindFunctions, FrameSizeOf, testing::ValuesIn(kFrames),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace strata::verifier
