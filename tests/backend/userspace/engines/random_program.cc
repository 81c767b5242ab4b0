#include "random_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>

#include "strata/backend/userspace/verifier/structural_check.h"
#include "strata/isa/disassemble.h"

namespace strata::test {
namespace {

using isa::Arithmetic;
using isa::AtomicOp;
using isa::Builder;
using isa::Condition;
using isa::Label;
using isa::Register;
using isa::Size;
using isa::Width;

constexpr int kContextBytes = 256;
constexpr std::uint32_t kMapCount = 2;  // an array, a per-CPU array
constexpr std::uint32_t kMapEntries = 5;
constexpr std::uint32_t kMapValueBytes[kMapCount] = {24, 8};
constexpr std::uint32_t kCpus = 3;

constexpr Arithmetic kArithmetic[] = {
    Arithmetic::kAdd, Arithmetic::kSub,       Arithmetic::kMul,       Arithmetic::kDiv, Arithmetic::kOr,
    Arithmetic::kAnd, Arithmetic::kLsh,       Arithmetic::kRsh,       Arithmetic::kMod, Arithmetic::kXor,
    Arithmetic::kMov, Arithmetic::kSignedDiv, Arithmetic::kSignedMod, Arithmetic::kArsh};
constexpr Condition kConditions[] = {
    Condition::kEqual,       Condition::kGreater,       Condition::kGreaterOrEqual,       Condition::kAnyBitSet,
    Condition::kNotEqual,    Condition::kSignedGreater, Condition::kSignedGreaterOrEqual, Condition::kLess,
    Condition::kLessOrEqual, Condition::kSignedLess,    Condition::kSignedLessOrEqual};
constexpr AtomicOp kAtomicOps[] = {
    AtomicOp::kAdd,     AtomicOp::kOr,       AtomicOp::kAnd,      AtomicOp::kXor,      AtomicOp::kFetchAdd,
    AtomicOp::kFetchOr, AtomicOp::kFetchAnd, AtomicOp::kFetchXor, AtomicOp::kExchange, AtomicOp::kCompareExchange};
constexpr std::int32_t kEdges[] = {0,    1,    -1,  2,   3,      7,       8,          10,
                                   31,   32,   63,  64,  100,    127,     128,        -127,
                                   -128, -129, 255, 256, 0xffff, 0x10000, 0x7fffffff, -0x7fffffff - 1};
constexpr std::uint64_t kEdges64[] = {
    0, 1, ~0ULL, 1ULL << 31, 1ULL << 32, 1ULL << 63, (1ULL << 63) - 1, 0xffffffff, 0x80000000ffffffff};

// A program that makes them has small frames and no callbacks, as verifiers want it.
enum class TailCalls { kNone, kMade };
constexpr std::uint32_t kTailCallPlaces = 6;
constexpr int kTailCallFrameWords = 10;  // the frames of three callers are less than 256 bytes

enum class Role { kEntry, kFunction, kCallback };

class Generator {
 public:
  explicit Generator(std::uint64_t seed, TailCalls tail_calls = TailCalls::kNone)
      : random_(seed), makes_tail_calls_(tail_calls == TailCalls::kMade) {}

  RandomProgram Make() {
    RandomProgram program;
    const int functions = Chance(3) ? Between(1, 3) : 0;
    for (int i = 0; i < functions; ++i) functions_.push_back({code_.NewLabel(), !makes_tail_calls_ && Chance(2)});
    Function(Role::kEntry, 0);
    for (std::size_t i = 0; i < functions_.size(); ++i) {
      code_.Bind(functions_[i].label);
      Function(functions_[i].is_callback ? Role::kCallback : Role::kFunction, i + 1);
    }
    program.code = std::move(code_).Build().value();
    program.context.resize(kContextBytes);
    for (std::byte& byte : program.context) byte = static_cast<std::byte>(Between(0, 255));
    program.settings.slot = static_cast<std::uint32_t>(Between(0, kCpus - 1));
    program.settings.cookie = random_();
    if (Chance(6)) program.settings.budget = Between(0, 40);
    if (Chance(8)) program.settings.budget = runtime::kMayGotoReserve + Between(-3, 20);
    return program;
  }

 private:
  struct Callee {
    Label label;
    bool is_callback;
  };

  int Between(int low, int high) {
    return low + static_cast<int>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool Chance(int one_in) { return Between(1, one_in) == 1; }
  template <typename T, std::size_t n>
  T Pick(const T (&values)[n]) {
    return values[static_cast<std::size_t>(Between(0, static_cast<int>(n) - 1))];
  }
  std::int32_t Imm() {
    if (Chance(3)) return static_cast<std::int32_t>(random_());
    return Chance(2) ? Pick(kEdges) : Between(-20, 20);
  }
  Width AnyWidth() { return Chance(2) ? Width::k32 : Width::k64; }

  // Any register but R10 and the one with the context's address.
  Register Data() {
    const int reg = Between(0, 8);
    return Register{static_cast<std::uint8_t>(reg < static_cast<int>(base_) ? reg : reg + 1)};
  }
  void SetRandom(Register reg) {
    if (Chance(3)) {
      code_.LoadImm64(reg, Chance(2) ? random_() : Pick(kEdges64));
    } else {
      code_.Mov(reg, Imm());
    }
  }

  // --- functions
  void Function(Role role, std::size_t number);
  void Epilogue();
  void Block(int items, int depth);
  void Item(int depth);

  // --- one kind of instruction each
  void ArithmeticItem();
  void ExtendItem();
  void MemoryItem();
  void AtomicItem();
  void IfItem(int depth);
  void LoopItem(int depth);
  void HelperItem();
  void LookupItem();
  void CallItem();
  void TailCallItem();
  void CallOther(const Callee& callee);
  void MayGotoItem(int depth);
  void Place(int size_bytes, Register& base, std::int16_t& offset, bool is_aligned);
  void LoseArguments(int first) {
    for (int reg = first; reg <= 5; ++reg) {
      if (reg != static_cast<int>(base_)) SetRandom(Register{static_cast<std::uint8_t>(reg)});
    }
  }

  std::mt19937_64 random_;
  bool makes_tail_calls_;
  Builder code_;
  std::vector<Callee> functions_;
  std::size_t number_ = 0;  // of the function being made; it calls only later ones
  Register base_ = isa::kR9;
  int frame_words_ = 1;  // the first ones count loops
  int loops_ = 0;
};

constexpr int kLoopWords = 3;

void Generator::Function(Role role, std::size_t number) {
  number_ = number;
  loops_ = 0;
  base_ = Register{static_cast<std::uint8_t>(Between(6, 9))};
  frame_words_ = kLoopWords + (Chance(4) ? Between(1, 60) : Between(1, 12));
  if (makes_tail_calls_) frame_words_ = std::min(frame_words_, kTailCallFrameWords);
  code_.Mov(base_, role == Role::kCallback ? isa::kR2 : isa::kR1);
  for (int reg = 0; reg <= 9; ++reg) {
    const Register any{static_cast<std::uint8_t>(reg)};
    const bool is_argument = reg == (role == Role::kCallback ? 1 : 2) && role != Role::kEntry;
    if (any != base_ && !is_argument) SetRandom(any);
  }
  for (int word = 1; word <= frame_words_; ++word) {
    code_.Store(Size::k64, isa::kR10, static_cast<std::int16_t>(-8 * word),
                Chance(2) ? isa::Operand(Imm()) : isa::Operand(Data()));
  }
  Block(Between(1, 25), 0);
  if (number_ < functions_.size()) CallOther(functions_[number_]);  // each is reached
  Epilogue();
}

// R0 depends on all registers and on the frame.
void Generator::Epilogue() {
  for (int reg = 1; reg <= 9; ++reg) {
    const Register any{static_cast<std::uint8_t>(reg)};
    if (any != base_) code_.Xor(isa::kR0, any).Alu(Arithmetic::kMul, isa::kR0, 0x01000193);
  }
  for (int word = 1; word <= frame_words_; word += 1 + frame_words_ / 8) {
    code_.Load(Size::k64, isa::kR1, isa::kR10, static_cast<std::int16_t>(-8 * word)).Xor(isa::kR0, isa::kR1);
    code_.Alu(Arithmetic::kMul, isa::kR0, 0x01000193);
  }
  code_.Exit();
}

void Generator::Block(int items, int depth) {
  for (int i = 0; i < items; ++i) Item(depth);
}

void Generator::Item(int depth) {
  if (makes_tail_calls_ && Chance(8)) return TailCallItem();
  const int kind = Between(1, 100);
  if (kind <= 48) return ArithmeticItem();
  if (kind <= 56) return ExtendItem();
  if (kind <= 68) return MemoryItem();
  if (kind <= 74) return AtomicItem();
  if (kind <= 78) return HelperItem();
  if (kind <= 82) return LookupItem();
  if (kind <= 85) return CallItem();
  if (kind <= 87) return MayGotoItem(depth);
  if (kind <= 91) return LoopItem(depth);
  IfItem(depth);
}

void Generator::ArithmeticItem() {
  const Arithmetic op = Pick(kArithmetic);
  const Width width = AnyWidth();
  if (Chance(12)) {
    code_.Negate(Data(), width);
  } else if (Chance(2)) {
    code_.Alu(op, Data(), Data(), width);
  } else {
    std::int32_t imm = Imm();
    const bool is_shift = op == Arithmetic::kLsh || op == Arithmetic::kRsh || op == Arithmetic::kArsh;
    const bool is_division = (static_cast<int>(op) & 0xf0) == 0x30 || (static_cast<int>(op) & 0xf0) == 0x90;
    if (is_shift) imm &= width == Width::k64 ? 63 : 31;
    if (is_division && imm == 0) imm = 1;
    code_.Alu(op, Data(), imm, width);
  }
}

void Generator::ExtendItem() {
  constexpr int kWidths[] = {16, 32, 64};
  constexpr int kSources[] = {8, 16, 32};
  const Register dst = Data();
  switch (Between(1, 7)) {
    case 1:
      code_.ToLittleEndian(dst, Pick(kWidths));
      return;
    case 2:
      code_.ToBigEndian(dst, Pick(kWidths));
      return;
    case 3:
      code_.ByteSwap(dst, Pick(kWidths));
      return;
    case 4:
      code_.MovSigned(dst, Data(), Chance(2) ? 8 : 16, Width::k32);
      return;
    case 5:
      code_.Alu(Arithmetic::kLsh, dst, 32).Alu(Chance(2) ? Arithmetic::kRsh : Arithmetic::kArsh, dst, 32);
      return;
    case 6:
      code_.Mov(dst, Data());
      if (Chance(2)) {
        code_.Add(dst, Imm());
      } else {
        code_.Add(dst, Data());
      }
      return;
    default:
      code_.MovSigned(dst, Data(), Pick(kSources));
  }
}

// Somewhere in the context or the frame, outside of the loops' counters.
void Generator::Place(int size_bytes, Register& base, std::int16_t& offset, bool is_aligned) {
  const bool is_context = Chance(2);
  base = is_context ? base_ : isa::kR10;
  const int low = is_context ? 0 : -8 * frame_words_;
  const int high = (is_context ? kContextBytes : -8 * kLoopWords) - size_bytes;
  int place = Between(low, high);
  if (is_aligned)
    place = place >= 0 ? place / size_bytes * size_bytes : -((-place + size_bytes - 1) / size_bytes * size_bytes);
  if (!is_context && is_aligned) place = std::max(place, low);
  offset = static_cast<std::int16_t>(place);
}

void Generator::MemoryItem() {
  constexpr Size kSizes[] = {Size::k8, Size::k16, Size::k32, Size::k64};
  constexpr int kBytes[] = {1, 2, 4, 8};
  const int which = Between(0, 3);
  const Size size = kSizes[which];
  Register base;
  std::int16_t offset;
  Place(kBytes[which], base, offset, false);
  switch (Between(1, 6)) {
    case 1:
      code_.Store(size, base, offset, Imm());
      return;
    case 2:
      code_.Store(size, base, offset, Data());
      return;
    case 3:
      if (which < 3) {
        code_.LoadSigned(size, Data(), base, offset);
        return;
      }
      [[fallthrough]];
    case 4:
      code_.Load(size, Data(), base, offset);
      return;
    case 5:
      Place(kBytes[which], base, offset, true);
      code_.LoadAcquire(size, Data(), base, offset);
      return;
    default:
      Place(kBytes[which], base, offset, true);
      code_.StoreRelease(size, base, offset, Data());
  }
}

void Generator::AtomicItem() {
  const bool is_wide = Chance(2);
  Register base;
  std::int16_t offset;
  Place(is_wide ? 8 : 4, base, offset, true);
  if (Chance(3)) {  // through a copy of the address, in any register
    const Register copy = Data();
    if (base == isa::kR10) return;
    Register value = Data();
    while (value == copy) value = Data();
    code_.Mov(copy, base);
    code_.Atomic(Pick(kAtomicOps), is_wide ? Size::k64 : Size::k32, copy, offset, value);
    for (int reg = 0; reg <= 9; ++reg) {  // no address may stay where it becomes part of the result
      const Register any{static_cast<std::uint8_t>(reg)};
      if (any != base_) SetRandom(any);
    }
    return;
  }
  code_.Atomic(Pick(kAtomicOps), is_wide ? Size::k64 : Size::k32, base, offset, Data());
}

void Generator::IfItem(int depth) {
  const Label end = code_.NewLabel();
  if (Chance(2)) {
    code_.JumpIf(Pick(kConditions), Data(), Imm(), end, AnyWidth());
  } else {
    code_.JumpIf(Pick(kConditions), Data(), Data(), end, AnyWidth());
  }
  Block(Between(0, depth < 3 ? 6 : 2), depth + 1);
  if (Chance(3)) {
    const Label other = code_.NewLabel();
    if (Chance(2)) {
      code_.Jump(other);
    } else {
      code_.JumpLong(other);
    }
    code_.Bind(end);
    Block(Between(0, 3), depth + 1);
    code_.Bind(other);
    return;
  }
  code_.Bind(end);
}

void Generator::LoopItem(int depth) {
  if (loops_ == kLoopWords || depth > 2) return;
  const auto counter = static_cast<std::int16_t>(-8 * ++loops_);
  code_.Store(Size::k64, isa::kR10, counter, Between(1, 6));
  const Label again = code_.NewLabel();
  code_.Bind(again);
  Block(Between(1, 6), depth + 1);
  const Register reg = Data();
  code_.Load(Size::k64, reg, isa::kR10, counter).Sub(reg, 1).Store(Size::k64, isa::kR10, counter, reg);
  if (Chance(3)) {
    const Label end = code_.NewLabel();
    code_.JumpIf(Condition::kEqual, reg, 0, end).Jump(again).Bind(end);
  } else {
    code_.JumpIf(Chance(2) ? Condition::kNotEqual : Condition::kSignedGreater, reg, 0, again);
  }
  --loops_;
}

void Generator::MayGotoItem(int depth) {
  const Label end = code_.NewLabel();
  code_.MayGoto(end);
  Block(Between(0, 3), depth + 1);
  code_.Bind(end);
}

void Generator::HelperItem() {
  code_.Call(Chance(4) ? kProcessorId : kMix);
  LoseArguments(1);
}

// bpf_map_lookup_elem with the key in the frame, then a use of the value, as compilers arrange it.
void Generator::LookupItem() {
  if (frame_words_ == kLoopWords) return;
  const auto map = static_cast<std::uint32_t>(Between(0, kMapCount - 1));
  const auto key = static_cast<std::int16_t>(-8 * frame_words_ + 4 * Between(0, 1));
  const int last_field = static_cast<int>(kMapValueBytes[map]) - 8;
  if (Chance(2)) {
    code_.Store(Size::k32, isa::kR10, key, Between(0, kMapEntries));
  } else if (Chance(2)) {
    code_.Mov(isa::kR1, Between(0, kMapEntries)).Store(Size::k32, isa::kR10, key, isa::kR1);
  } else {
    const Register reg = Data();
    code_.Alu(Arithmetic::kMod, reg, kMapEntries + Between(0, 1)).Store(Size::k32, isa::kR10, key, reg);
  }
  if (Chance(5)) MemoryItem();  // perhaps over the key
  code_.Mov(isa::kR2, isa::kR10).Add(isa::kR2, key);
  code_.LoadMapIndex(isa::kR1, map);
  if (Chance(4)) {  // one of two calls that share their arguments
    const Label other = code_.NewLabel();
    const Label done = code_.NewLabel();
    code_.JumpIf(Pick(kConditions), isa::kR0, Imm(), other).Call(kMapLookup).Jump(done);
    code_.Bind(other).Call(kMapLookup).Bind(done);
  } else {
    code_.Call(kMapLookup);
  }
  const Label missing = code_.NewLabel();
  const Label end = code_.NewLabel();
  const bool is_inverted = Chance(3);
  const Label found = code_.NewLabel();
  if (is_inverted) {
    code_.JumpIf(Condition::kNotEqual, isa::kR0, 0, found).Jump(missing).Bind(found);
  } else {
    code_.JumpIf(Condition::kEqual, isa::kR0, 0, missing);
  }
  const auto field = static_cast<std::int16_t>(8 * Between(0, last_field / 8));
  code_.Load(Size::k64, isa::kR1, isa::kR0, field).Add(isa::kR1, Imm()).Store(Size::k64, isa::kR0, field, isa::kR1);
  code_.Mov(isa::kR0, isa::kR1).Jump(end).Bind(missing);
  if (Chance(2)) code_.Add(isa::kR0, 77);
  code_.Bind(end);
  LoseArguments(1);
}

void Generator::CallItem() {
  if (number_ >= functions_.size()) return;
  CallOther(functions_[static_cast<std::size_t>(
      Between(static_cast<int>(number_), static_cast<int>(functions_.size()) - 1))]);
}

// To a place that a compiler knows or one that it does not, which may be empty or past the end.
void Generator::TailCallItem() {
  const Register map = Chance(4) ? isa::kR4 : isa::kR2;
  const Label other = code_.NewLabel();
  code_.Mov(isa::kR3, Between(0, kTailCallPlaces));
  if (Chance(2)) code_.Mov(isa::kR3, Data()).Alu(Arithmetic::kMod, isa::kR3, kTailCallPlaces + 1, AnyWidth());
  code_.LoadMapIndex(map, kMapCount);
  if (map != isa::kR2) code_.Jump(other).Bind(other).Mov(isa::kR2, map);
  code_.Mov(isa::kR1, base_).Call(kTailCall);
  LoseArguments(1);
}

void Generator::CallOther(const Callee& callee) {
  if (callee.is_callback) {
    code_.Mov(isa::kR1, Between(0, 4)).LoadFunction(isa::kR2, callee.label).Mov(isa::kR3, base_).Mov(isa::kR4, 0);
    code_.Call(kLoop);
  } else {
    code_.Mov(isa::kR1, base_).CallFunction(callee.label);
  }
  LoseArguments(1);
}

// What a run leaves behind.
struct Trace {
  Outcome outcome;
  std::vector<std::byte> context;
  std::vector<std::vector<std::byte>> maps;
  bool operator==(const Trace&) const = default;
};

template <typename Run>
Trace TraceOf(const RandomProgram& program, std::vector<TestMap>& maps, Run run) {
  Trace trace{.outcome = {}, .context = program.context, .maps = {}};
  for (TestMap& map : maps) {
    if (map.geometry.type != MapType::kProgArray) std::fill(map.data.begin(), map.data.end(), std::byte{0});
  }
  trace.outcome = run(trace.context.data());
  for (const TestMap& map : maps) {
    if (map.geometry.type != MapType::kProgArray) trace.maps.push_back(map.data);
  }
  return trace;
}

std::string Difference(const Trace& expected, const Trace& got) {
  const auto text = [](const Outcome& outcome) {
    return fmt::format("R0 {:#x}, budget {}, {} tail calls", outcome.result, outcome.budget, outcome.tail_calls);
  };
  return fmt::format("interpreter: {}; compiled: {}; context {}, maps {}\n", text(expected.outcome), text(got.outcome),
                     expected.context == got.context ? "equal" : "differs",
                     expected.maps == got.maps ? "equal" : "differ");
}

}  // namespace

std::vector<TestMap> RandomProgramMaps() {
  std::vector<TestMap> maps;
  maps.push_back(MakeArray(kMapEntries, kMapValueBytes[0]));
  maps.push_back(MakeArray(kMapEntries, kMapValueBytes[1], kCpus));
  return maps;
}

RandomProgram MakeRandomProgram(std::uint64_t seed) { return Generator(seed).Make(); }

std::string CompareEngines(std::uint64_t seed) {
  const RandomProgram program = MakeRandomProgram(seed);
  std::vector<TestMap> maps = RandomProgramMaps();
  const auto text = [&] { return fmt::format("seed {}\n{}", seed, isa::DisassembleProgram(program.code)); };

  const auto checked = verifier::CheckStructure(program.code, ProgramType::kKprobe, HelperKnown, maps.size());
  if (!checked) return fmt::format("{}\n{}", checked.error().message(), text());
  const auto compiled = CompiledProgram::Make(program.code, maps);
  if (!compiled) return fmt::format("{}\n{}", compiled.error().message(), text());

  const Trace expected = TraceOf(
      program, maps, [&](void* context) { return RunInterpreted(program.code, maps, context, program.settings); });
  const Trace got = TraceOf(program, maps, [&](void* context) { return compiled->Run(context, program.settings); });
  return expected == got ? "" : Difference(expected, got) + text();
}

std::string CompareTailCalls(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<RandomProgram> group;
  for (std::uint64_t i = 0, count = 1 + random() % 4; i < count; ++i)
    group.push_back(Generator(random(), TailCalls::kMade).Make());
  std::vector<std::uint32_t> places(kTailCallPlaces);
  for (std::uint32_t& place : places) place = static_cast<std::uint32_t>(random() % (group.size() + 1));
  std::vector<TestMap> maps = RandomProgramMaps();
  maps.push_back(MakeProgArray(places));

  std::string text = fmt::format("seed {}, prog array {}\n", seed, fmt::join(places, " "));
  std::vector<std::vector<isa::Instruction>> codes;
  std::vector<CompiledProgram> compiled;
  for (const RandomProgram& program : group) {
    text += isa::DisassembleProgram(program.code) + "\n";
    codes.push_back(program.code);
    const auto checked = verifier::CheckStructure(program.code, ProgramType::kKprobe, HelperKnown, maps.size());
    if (!checked) return fmt::format("{}\n{}", checked.error().message(), text);
    const SlotUse slot_use = random() % 2 == 0 ? SlotUse::kDeclared : SlotUse::kNone;  // the run has one in any case
    auto image = CompiledProgram::Make(program.code, maps, slot_use);
    if (!image) return fmt::format("{}\n{}", image.error().message(), text);
    compiled.push_back(*std::move(image));
  }
  const Trace expected = TraceOf(
      group[0], maps, [&](void* context) { return RunGroupInterpreted(codes, maps, context, group[0].settings); });
  const Trace got =
      TraceOf(group[0], maps, [&](void* context) { return RunGroup(compiled, maps, context, group[0].settings); });
  return expected == got ? "" : Difference(expected, got) + text;
}

}  // namespace strata::test
