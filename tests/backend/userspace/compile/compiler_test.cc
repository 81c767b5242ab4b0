#include "strata/backend/userspace/compile/compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engines.h"
#include "strata/backend/userspace/verifier/structural_check.h"
#include "strata/isa/builder.h"

namespace strata::test {
namespace {

using isa::Builder;
using isa::Condition;
using isa::kR0, isa::kR1, isa::kR10, isa::kR2, isa::kR3, isa::kR6;
using isa::Label;
using isa::Size;
using runtime::ImageRelocation;
using runtime::ImageRelocationKind;

std::vector<isa::Instruction> Build(const std::function<void(Builder&)>& build) {
  Builder builder;
  build(builder);
  return std::move(builder).Build().value();
}

std::string Hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += {kDigits[static_cast<int>(byte) >> 4], kDigits[static_cast<int>(byte) & 15], ' '};
  }
  if (!text.empty()) text.pop_back();
  return text;
}

// --- the code
// -----------------------------------------------------------------------------------------------------------

struct CodeRow {
  const char* name;
  std::function<void(Builder&)> build;
  const char* code;
};

const CodeRow kCode[] = {
    {"EmptyProgramTouchesNothing", [](Builder& b) { b.Mov(kR0, 0).Exit(); }, "31 c0 c3"},
    {"ShortestConstants",
     [](Builder& b) { b.Mov(kR0, 5).Mov(kR0, -1).LoadImm64(kR0, 0xffffffff).LoadImm64(kR0, 1ULL << 40).Exit(); },
     "b8 05 00 00 00 48 c7 c0 ff ff ff ff b8 ff ff ff ff 48 b8 00 00 00 00 00 01 00 00 c3"},
    {"LeafFrameInTheRedZone", [](Builder& b) { b.Store(Size::k64, kR10, -8, 1).Load(Size::k64, kR0, kR10, -8).Exit(); },
     "55 48 89 e5 48 c7 45 f8 01 00 00 00 48 8b 45 f8 5d c3"},
    {"LargeLeafFrame", [](Builder& b) { b.Store(Size::k8, kR10, -130, 1).Mov(kR0, 0).Exit(); },
     "55 48 89 e5 48 81 ec 88 00 00 00 c6 85 7e ff ff ff 01 31 c0 c9 c3"},
    {"SavesOnlyWhatItWrites", [](Builder& b) { b.Mov(kR6, kR1).Mov(kR0, kR6).Exit(); }, "53 48 89 fb 48 89 d8 5b c3"},
    {"AddressByLea", [](Builder& b) { b.Mov(kR2, kR10).Add(kR2, -8).Load(Size::k8, kR0, kR2, 0).Exit(); },
     "55 48 89 e5 48 8d 75 f8 0f b6 06 5d c3"},
    {"ComparesWithZeroByTest",
     [](Builder& b) {
       const Label end = b.NewLabel();
       b.JumpIf(Condition::kEqual, kR1, 0, end).Mov(kR0, 0).Bind(end).Exit();
     },
     "48 85 ff 74 02 31 c0 c3"},
    {"HelperCallThroughTheTable", [](Builder& b) { b.Call(kMix).Exit(); },
     "41 54 49 89 f4 4d 89 e1 ff 15 0a 00 00 00 41 5c c3 cc cc cc cc cc cc cc"
     " 00 00 00 00 00 00 00 00"},
    {"ProcessorIdWithoutACall", [](Builder& b) { b.Call(kProcessorId).Exit(); }, "49 89 f1 41 8b 41 08 c3"},
    {"LoopPaysOneSubtraction",
     [](Builder& b) {
       const Label again = b.NewLabel();
       b.Mov(kR0, 9).Bind(again).Add(kR0, -1).JumpIf(Condition::kNotEqual, kR0, 0, again).Exit();
     },
     "49 89 f1 b8 09 00 00 00 48 83 c0 ff 48 85 c0 74 08 49 83 29 01 79 f1 eb 01 c3 31 c0 c3"},
};

class CompilerCode : public testing::TestWithParam<CodeRow> {};

TEST_P(CompilerCode, IsTheShortest) {
  const auto code = Build(GetParam().build);
  const auto image = compile::CompileImage({.instructions = code, .maps = {}});
  ASSERT_TRUE(image.has_value()) << image.error().message();
  EXPECT_EQ(Hex(std::span(image->code).subspan(image->entry_offset)), GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(Compiler, CompilerCode, testing::ValuesIn(kCode),
                         [](const auto& row) { return row.param.name; });

TEST(Compiler, GivesOneTableEntryPerHelper) {
  const auto code = Build([](Builder& b) { b.Call(kMix).Call(kLoop).Call(kMix).Exit(); });
  const compile::CompiledImage image = compile::CompileImage({code, {}}).value();
  ASSERT_EQ(image.relocations.size(), 2U);
  EXPECT_EQ(image.relocations[0].kind, ImageRelocationKind::kHelper);
  EXPECT_EQ(image.relocations[0].index, kMix);
  EXPECT_EQ(image.relocations[1].index, kLoop);
  EXPECT_EQ(image.relocations[1].offset + 8, image.code.size());
  EXPECT_EQ(image.callback_offset, 0U);
}

TEST(Compiler, OffersTheThunkOnlyToProgramsWithCallbacks) {
  const auto code = Build([](Builder& b) {
    const Label callback = b.NewLabel();
    b.LoadFunction(kR2, callback).Call(kLoop).Exit().Bind(callback).Mov(kR0, 0).Exit();
  });
  const compile::CompiledImage image = compile::CompileImage({code, {}}).value();
  EXPECT_GT(image.callback_offset, 0U);
  EXPECT_LT(image.callback_offset, image.code.size());
}

// --- map look-ups
// -------------------------------------------------------------------------------------------------------

// Stores `key`, looks it up, gives the value's address (0 for none).
std::vector<isa::Instruction> Lookup(std::uint32_t map, bool key_is_constant) {
  return Build([=](Builder& b) {
    if (key_is_constant) {
      b.Store(Size::k32, kR10, -4, 2);
    } else {
      b.Load(Size::k32, kR3, kR1, 0).Store(Size::k32, kR10, -4, kR3);
    }
    b.Mov(kR2, kR10).Add(kR2, -4).LoadMapIndex(kR1, map).Call(kMapLookup).Exit();
  });
}

std::size_t CountKind(const compile::CompiledImage& image, ImageRelocationKind kind) {
  return static_cast<std::size_t>(
      std::count_if(image.relocations.begin(), image.relocations.end(),
                    [&](const ImageRelocation& relocation) { return relocation.kind == kind; }));
}

class InlineLookup : public testing::TestWithParam<std::tuple<std::uint32_t, std::uint32_t>> {};  // value size, CPUs

TEST_P(InlineLookup, AddressesEveryElement) {
  const auto [value_size, cpus] = GetParam();
  std::vector<TestMap> maps = {MakeArray(4, value_size, cpus)};
  const auto code = Lookup(0, false);
  const CompiledProgram program = CompiledProgram::Make(code, maps).value();
  EXPECT_EQ(CountKind(program.image(), ImageRelocationKind::kHelper), 0U);
  EXPECT_EQ(CountKind(program.image(), ImageRelocationKind::kMapView), 0U);
  for (const std::uint32_t key : {0U, 1U, 3U, 4U, 0xffffffffU}) {
    for (std::uint32_t slot = 0; slot < std::max(cpus, 1U); ++slot) {
      std::uint32_t context = key;
      const RunSettings settings{.slot = slot};
      EXPECT_EQ(program.Run(&context, settings), RunInterpreted(code, maps, &context, settings)) << key << " " << slot;
    }
  }
}

TEST_P(InlineLookup, KnowsAConstantKey) {
  const auto [value_size, cpus] = GetParam();
  for (const std::uint32_t entries : {3U, 2U}) {  // with the key 2, and without
    std::vector<TestMap> maps = {MakeArray(1, 8), MakeArray(entries, value_size, cpus)};
    const auto code = Lookup(1, true);
    const RunSettings settings{.slot = cpus == 0 ? 0 : cpus - 1};
    EXPECT_EQ(CompiledProgram::Make(code, maps).value().Run(nullptr, settings),
              RunInterpreted(code, maps, nullptr, settings));
  }
}

INSTANTIATE_TEST_SUITE_P(Compiler, InlineLookup,
                         testing::Combine(testing::Values(1, 8, 16, 24, 1000), testing::Values(0, 1, 5)));

TEST(Compiler, CallsTheHelperOrTheMapsOwnFunctionForOtherMaps) {
  TestMap map = MakeArray(4, 8);
  for (const MapType type : {MapType::kLpmTrie, MapType::kHash}) {
    map.geometry.type = type;
    const runtime::ProgramMap geometry[] = {map.geometry};
    const compile::CompiledImage image = compile::CompileImage({Lookup(0, false), geometry}).value();
    const bool is_direct = type == MapType::kHash;
    EXPECT_EQ(CountKind(image, ImageRelocationKind::kHelper), is_direct ? 0U : 1U);
    EXPECT_EQ(CountKind(image, ImageRelocationKind::kMapOperation), is_direct ? 1U : 0U);
    EXPECT_EQ(CountKind(image, ImageRelocationKind::kMapView), 1U);
  }
}

// A store behind the key's, through an unknown address, may have changed it.
TEST(Compiler, ForgetsAConstantKeyThatMayHaveChanged) {
  std::vector<TestMap> maps = {MakeArray(4, 8)};
  const auto code = Build([](Builder& b) {
    b.Store(Size::k32, kR10, -4, 2).Mov(kR2, kR10).Add(kR2, -4).Mov(kR3, kR2).Alu(isa::Arithmetic::kXor, kR1, kR1);
    b.Add(kR3, kR1).Store(Size::k32, kR3, 0, 1).LoadMapIndex(kR1, 0).Call(kMapLookup).Exit();
  });
  EXPECT_EQ(CompiledProgram::Make(code, maps).value().Run(nullptr), RunInterpreted(code, maps, nullptr));
}

TEST(Compiler, MergesTheTestForNullIntoTheBoundsCheck) {
  std::vector<TestMap> maps = {MakeArray(4, 16, 3)};
  for (const Condition condition : {Condition::kEqual, Condition::kNotEqual}) {
    const auto code = Build([&](Builder& b) {
      const Label other = b.NewLabel();
      b.Load(Size::k32, kR3, kR1, 0).Store(Size::k32, kR10, -4, kR3).Mov(kR2, kR10).Add(kR2, -4);
      b.LoadMapIndex(kR1, 0).Call(kMapLookup).JumpIf(condition, kR0, 0, other).Add(kR0, 1).Exit();
      b.Bind(other).Add(kR0, 2).Exit();
    });
    const CompiledProgram program = CompiledProgram::Make(code, maps).value();
    for (std::uint32_t key : {0U, 3U, 4U}) {
      EXPECT_EQ(program.Run(&key, {.slot = 2}), RunInterpreted(code, maps, &key, {.slot = 2}));
    }
  }
}

// The map's register is loaded once, in front of a branch: the look-up behind it is done without that register, the one
// at the branch's target is not.
TEST(Compiler, KeepsWhatABranchTakesElsewhere) {
  std::vector<TestMap> maps = {MakeArray(4, 8)};
  const auto code = Build([](Builder& b) {
    const Label other = b.NewLabel();
    b.Load(Size::k32, kR3, kR1, 0).Store(Size::k32, kR10, -4, kR3).Mov(kR2, kR10).Add(kR2, -4).LoadMapIndex(kR1, 0);
    b.JumpIf(Condition::kGreater, kR3, 1, other).Call(kMapLookup).Exit();
    b.Bind(other).Call(kMapLookup).Add(kR0, 1).Exit();
  });
  const CompiledProgram program = CompiledProgram::Make(code, maps).value();
  for (std::uint32_t key : {1U, 2U}) EXPECT_EQ(program.Run(&key), RunInterpreted(code, maps, &key));
}

// Compilers keep maps and addresses of keys in R6 to R9 over loops.
TEST(Compiler, KnowsRegistersThatAreWrittenOnce) {
  std::vector<TestMap> maps = {MakeArray(4, 8)};
  const auto code = Build([](Builder& b) {
    const Label again = b.NewLabel();
    b.LoadMapIndex(kR6, 0).Mov(isa::kR7, kR10).Add(isa::kR7, -4).Load(Size::k32, isa::kR8, kR1, 0).Mov(isa::kR9, 0);
    b.Bind(again).Store(Size::k32, kR10, -4, isa::kR8).Mov(kR1, kR6).Mov(kR2, isa::kR7).Call(kMapLookup);
    b.Mov(kR3, isa::kR9).Mov(isa::kR9, kR0).Add(isa::kR8, -1).JumpIf(Condition::kEqual, kR3, 0, again).Exit();
  });
  const CompiledProgram program = CompiledProgram::Make(code, maps).value();
  EXPECT_EQ(CountKind(program.image(), ImageRelocationKind::kHelper), 0U);
  EXPECT_THAT(Hex(program.image().code), testing::HasSubstr("8b 4d fc")) << "mov ecx, [rbp - 4]";
  for (std::uint32_t key : {2U, 4U, 5U, 1U}) EXPECT_EQ(program.Run(&key), RunInterpreted(code, maps, &key));
}

// A loop over elements of the frame: the address is no constant although it is set in one place and moved in another.
TEST(Compiler, AddressesThatALoopMovesAreNotKnown) {
  std::vector<TestMap> maps = {MakeArray(4, 8)};
  const auto code = Build([](Builder& b) {
    const Label again = b.NewLabel();
    b.Store(Size::k32, kR10, -4, 3).Store(Size::k32, kR10, -8, 1).Mov(isa::kR8, 2).LoadMapIndex(kR6, 0);
    b.Mov(isa::kR7, kR10).Bind(again).Add(isa::kR7, -4).Mov(kR1, kR6).Mov(kR2, isa::kR7).Call(kMapLookup);
    b.Add(isa::kR8, -1).JumpIf(Condition::kNotEqual, isa::kR8, 0, again).Exit();
  });
  const CompiledProgram program = CompiledProgram::Make(code, maps).value();
  EXPECT_EQ(program.Run(nullptr), RunInterpreted(code, maps, nullptr));
}

// R1 holds what the caller gave, or the map.
TEST(Compiler, ArgumentsAreWrittenByTheCallerToo) {
  std::vector<TestMap> maps = {MakeArray(4, 8), MakeArray(2, 16)};
  const auto code = Build([](Builder& b) {
    const Label other = b.NewLabel();
    const Label function = b.NewLabel();
    b.Load(Size::k32, kR2, kR1, 0).LoadMapIndex(kR1, 0).CallFunction(function).Exit();
    b.Bind(function).Store(Size::k32, kR10, -4, 1).JumpIf(Condition::kGreater, kR2, 0, other).LoadMapIndex(kR1, 1);
    b.Bind(other).Mov(kR2, kR10).Add(kR2, -4).Call(kMapLookup).Exit();
  });
  const CompiledProgram program = CompiledProgram::Make(code, maps).value();
  for (std::uint32_t key : {0U, 1U}) EXPECT_EQ(program.Run(&key), RunInterpreted(code, maps, &key));
}

// A mask bounds the index; one that is too wide does not.
TEST(Compiler, KnowsTheBoundOfAMaskedKey) {
  std::vector<TestMap> maps = {MakeArray(4, 8)};
  for (const std::int32_t mask : {3, 7, -1}) {
    const auto code = Build([mask](Builder& b) {
      b.Load(Size::k32, kR3, kR1, 0).Alu(isa::Arithmetic::kAnd, kR3, mask).Store(Size::k32, kR10, -4, kR3);
      b.Mov(kR2, kR10).Add(kR2, -4).LoadMapIndex(kR1, 0).Call(kMapLookup).Exit();
    });
    const CompiledProgram program = CompiledProgram::Make(code, maps).value();
    for (std::uint32_t key : {0U, 3U, 4U, 7U, 0xffffffffU})
      EXPECT_EQ(program.Run(&key), RunInterpreted(code, maps, &key)) << key << " & " << mask;
  }
}

TEST(Compiler, AddressesMapValuesDirectly) {
  std::vector<TestMap> maps = {MakeArray(1, 64)};
  const auto code = Build([](Builder& b) {
    b.LoadMapIndexValue(kR1, 0, 24).Store(Size::k64, kR1, 0, 5).Load(Size::k64, kR0, kR1, 0).Exit();
  });
  const CompiledProgram program = CompiledProgram::Make(code, maps).value();
  EXPECT_EQ(program.image().relocations.front().addend, 24);
  EXPECT_EQ(program.Run(nullptr).result, 5U);
  EXPECT_EQ(maps[0].data[24], std::byte{5});
}

// --- entries
// ------------------------------------------------------------------------------------------------------------

// Without calls the run does not stay in r12: a tail call comes in through two instructions more.
TEST(Compiler, LeavesLieBehindTheirTailEntry) {
  const auto code = Build([](Builder& b) { b.Mov(kR0, 0).Exit(); });
  const compile::CompiledImage image = compile::CompileImage({.instructions = code, .maps = {}}).value();
  EXPECT_EQ(image.tail_entry_offset, 0U);
  EXPECT_EQ(Hex(image.code), "4c 89 e6 41 5c 31 c0 c3");
}

TEST(Compiler, TailCallsOfOthersEnterBehindTheSavedRun) {
  const auto code = Build([](Builder& b) { b.Call(kMix).Exit(); });
  const compile::CompiledImage image = compile::CompileImage({.instructions = code, .maps = {}}).value();
  EXPECT_EQ(image.entry_offset, 0U);
  EXPECT_EQ(Hex(std::span(image.code).first(image.tail_entry_offset)), "41 54 49 89 f4");
}

// A caller without a slot, targets with one: a leaf and one that calls.
TEST(Compiler, TargetsOfTailCallsAskForTheirSlot) {
  const std::uint32_t places[] = {2};
  std::vector<TestMap> maps = {MakeArray(1, 8, 2), MakeProgArray(places)};
  const auto caller =
      Build([](Builder& b) { b.LoadMapIndex(kR2, 1).Mov(kR3, 0).Call(kTailCall).Mov(kR0, 1000).Exit(); });
  const auto leaf = Build([](Builder& b) { b.Call(kProcessorId).Add(kR0, 7).Exit(); });
  const auto calls = Build([](Builder& b) {
    b.Mov(kR1, 1).Mov(kR2, 2).Mov(kR3, 3).Mov(isa::kR4, 4).Mov(isa::kR5, 5).Call(kMix).Mov(kR6, kR0);
    b.Call(kProcessorId).Add(kR0, kR6).Exit();
  });
  for (const auto& target : {leaf, calls}) {
    std::vector<CompiledProgram> group;
    group.push_back(CompiledProgram::Make(caller, maps).value());
    group.push_back(CompiledProgram::Make(target, maps, SlotUse::kDeclared).value());
    const std::vector<std::vector<isa::Instruction>> codes = {caller, target};
    for (const std::uint32_t slot : {0U, 1U}) {
      const RunSettings settings{.slot = slot};
      EXPECT_EQ(RunGroup(group, maps, nullptr, settings), RunGroupInterpreted(codes, maps, nullptr, settings));
    }
    const Outcome leased = RunGroup(group, maps, nullptr, {.slot = runtime::kNoSlot});
    EXPECT_EQ(leased, RunGroup(group, maps, nullptr, {.slot = 0}));
    const Outcome none = RunGroup(group, maps, nullptr, {.slot = runtime::kNoSlot, .cookie = kNoSlotCookie});
    EXPECT_EQ(none.result, 0U);
    EXPECT_EQ(none.tail_calls, 1U);
    EXPECT_LT(none.budget, 0);
  }
}

// The prologue announces the callback in the run even if nobody calls it: Run() looks at the registers.
TEST(Compiler, ACallbackThatNobodyCallsLeavesTheCallersRegisters) {
  const auto code = Build([](Builder& b) {
    const Label callback = b.NewLabel();
    b.LoadFunction(kR1, callback).Mov(kR0, 3).Exit().Bind(callback).Mov(kR0, 0).Exit();
  });
  EXPECT_EQ(CompiledProgram::Make(code, {}).value().Run(nullptr).result, 3U);
}

// --- refusals
// -----------------------------------------------------------------------------------------------------------

struct Refused {
  const char* name;
  std::function<void(Builder&)> build;
  ErrorCode error_code;
  const char* error;
};

const Refused kRefused[] = {
    {"PacketLoad", [](Builder& b) { b.Mov(kR6, kR1).LoadPacket(Size::k8, 0).Exit(); }, ErrorCode::kNotSupported,
     "instruction 1: packet loads: not on the userspace backend"},
    {"AddressSpaceCast", [](Builder& b) { b.AddressSpaceCast(kR1, kR1, 1, 0).Exit(); }, ErrorCode::kNotSupported,
     "instruction 0: address space casts: the program has no arena"},
    {"KernelFunction", [](Builder& b) { b.CallKernelFunction(7).Exit(); }, ErrorCode::kNotSupported,
     "instruction 0: kernel function #7: not on the userspace backend"},
    {"MapPosition", [](Builder& b) { b.LoadMapIndex(kR1, 0).Exit(); }, ErrorCode::kVerifierRejected,
     "instruction 0: map 0: the program has 0 maps"},
    {"MapDescriptor", [](Builder& b) { b.LoadMapFd(kR1, 3).Exit(); }, ErrorCode::kVerifierRejected,
     "instruction 0: 64-bit immediate of kind 1 is not resolved"},
    {"NoEnd", [](Builder& b) { b.Mov(kR0, 0); }, ErrorCode::kVerifierRejected,
     "instruction 0: last insn is not an exit or jmp"},
};

class RefusedImage : public testing::TestWithParam<Refused> {};

TEST_P(RefusedImage, NamesTheInstruction) {
  const auto code = Build(GetParam().build);
  const auto image = compile::CompileImage({.instructions = code, .maps = {}});
  ASSERT_FALSE(image.has_value());
  EXPECT_EQ(image.error().message(), GetParam().error);
  EXPECT_EQ(image.error().code(), GetParam().error_code);
}

// Any bytes: refused, or compiled to an image whose tables lie inside of it.
TEST(Compiler, SurvivesRandomSlots) {
  std::mt19937_64 random(1);
  const runtime::ProgramMap maps[] = {MakeArray(4, 8).geometry, MakeArray(4, 8, 2).geometry};
  int compiled = 0;
  for (int round = 0; round < 100000; ++round) {
    std::vector<isa::Instruction> code(1 + random() % 8);
    for (isa::Instruction& slot : code) {
      slot.opcode = static_cast<std::uint8_t>(isa::kOpcodes[random() % std::size(isa::kOpcodes)].opcode);
      if (random() % 4 == 0) slot.opcode = random() % 2 == 0 ? 0 : static_cast<std::uint8_t>(random());
      slot.dst = random() % 3 & 0xf;
      slot.src = random() % 7 & 0xf;
      if (random() % 2 == 0) slot.offset = static_cast<std::int16_t>(random() % 8) - 4;
      if (random() % 2 == 0) slot.imm = static_cast<std::int32_t>(random() % 8) - 4;
      if (random() % 3 == 0) slot.src = 0, slot.offset = 0;
    }
    code.back() = {.opcode = static_cast<std::uint8_t>(isa::Opcode::kExit)};
    const auto facts = verifier::CheckStructure(code, ProgramType::kKprobe, HelperKnown, std::size(maps));
    const auto image = compile::CompileImage({code, maps});
    ASSERT_TRUE(!facts || image) << image.error().message();
    if (!image) continue;
    ++compiled;
    for (const ImageRelocation& relocation : image->relocations) ASSERT_LE(relocation.offset + 8, image->code.size());
  }
  EXPECT_GT(compiled, 1000);
}

INSTANTIATE_TEST_SUITE_P(Compiler, RefusedImage, testing::ValuesIn(kRefused),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace strata::test
