// One table of programs with known results, run by the interpreter and as compiled code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "engines.h"
#include "random_program.h"
#include "strata/isa/builder.h"

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
using enum isa::Width;
using isa::kR0, isa::kR1, isa::kR2, isa::kR3, isa::kR4, isa::kR5, isa::kR6, isa::kR7, isa::kR8, isa::kR9, isa::kR10;

using Build = std::function<void(Builder&)>;

// The context of every run.
struct Context {
  std::array<std::uint64_t, 8> words;
  Context() {
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = 0x1122334455667788ULL + i;
  }
  bool operator==(const Context&) const = default;
};

void ExpectBothGive(const Build& build, std::uint64_t expected, const RunSettings& settings = {}) {
  Builder builder;
  build(builder);
  const auto code = std::move(builder).Build();
  ASSERT_TRUE(code.has_value()) << code.error().message();
  Context interpreted;
  Context compiled;
  const Outcome oracle = RunInterpreted(*code, {}, &interpreted, settings);
  EXPECT_EQ(oracle.result, expected) << "interpreter";
  const auto program = CompiledProgram::Make(*code, {});
  ASSERT_TRUE(program.has_value()) << program.error().message();
  const Outcome outcome = program->Run(&compiled, settings);
  EXPECT_EQ(outcome.result, expected) << "compiled";
  EXPECT_EQ(outcome.budget, oracle.budget);
  EXPECT_EQ(interpreted, compiled);
}

// --- arithmetic: every operation, both widths, each pair of registers, register and immediate
// ---------------------------

constexpr std::uint64_t kMinimum64 = std::uint64_t{1} << 63;
constexpr std::uint64_t kMinimum32 = 1ULL << 31;

struct ArithmeticRow {
  const char* name;
  Arithmetic op;
  std::uint64_t left, right;
  std::uint64_t wide, narrow;  // the results of 64 and 32 bits
};

const ArithmeticRow kArithmeticRows[] = {
    {"Add", Arithmetic::kAdd, 0xffffffff, 1, 0x100000000, 0},
    {"Sub", Arithmetic::kSub, 1, 2, ~0ULL, 0xffffffff},
    {"Mul", Arithmetic::kMul, 0x100000001, 3, 0x300000003, 3},
    {"Div", Arithmetic::kDiv, 0xffffffffffffffff, 16, 0x0fffffffffffffff, 0x0fffffff},
    {"DivByZero", Arithmetic::kDiv, 77, 0, 0, 0},
    {"DivByZeroOf32Bits", Arithmetic::kDiv, 77, 0x500000000, 0, 0},
    {"Mod", Arithmetic::kMod, 0x10000000a, 7, 0x10000000a % 7, 3},
    {"ModByZero", Arithmetic::kMod, 0x500000007, 0, 0x500000007, 7},
    {"SignedDiv", Arithmetic::kSignedDiv, static_cast<std::uint64_t>(-7), 2, static_cast<std::uint64_t>(-3),
     0xfffffffd},
    {"SignedDivByZero", Arithmetic::kSignedDiv, static_cast<std::uint64_t>(-7), 0, 0, 0},
    {"SignedDivMinimum64", Arithmetic::kSignedDiv, kMinimum64, ~0ULL, kMinimum64, 0},
    {"SignedDivMinimum32", Arithmetic::kSignedDiv, kMinimum32, ~0ULL, 0 - kMinimum32, kMinimum32},
    {"SignedMod", Arithmetic::kSignedMod, static_cast<std::uint64_t>(-7), 2, ~0ULL, 0xffffffff},
    {"SignedModByZero", Arithmetic::kSignedMod, static_cast<std::uint64_t>(-7), 0, static_cast<std::uint64_t>(-7),
     0xfffffff9},
    {"SignedModMinimum64", Arithmetic::kSignedMod, kMinimum64, ~0ULL, 0, 0},
    {"SignedModMinimum32", Arithmetic::kSignedMod, kMinimum32, ~0ULL, 0, 0},
    {"Or", Arithmetic::kOr, 0xf0f0f0f0f0, 0x0f, 0xf0f0f0f0ff, 0xf0f0f0ff},
    {"And", Arithmetic::kAnd, 0xf0f0f0f0f1, ~0xfULL, 0xf0f0f0f0f0, 0xf0f0f0f0},
    {"AndByte", Arithmetic::kAnd, 0x123456789a, 0xff, 0x9a, 0x9a},
    {"AndHalfWord", Arithmetic::kAnd, 0x123456789a, 0xffff, 0x789a, 0x789a},
    {"Xor", Arithmetic::kXor, 0xff00ff00ff, ~0ULL, 0xffffff00ff00ff00, 0xff00ff00},
    {"Mov", Arithmetic::kMov, 5, ~0ULL, ~0ULL, 0xffffffff},
    {"Lsh", Arithmetic::kLsh, 0x80000001, 1, 0x100000002, 2},
    {"LshByNothing", Arithmetic::kLsh, 0x180000001, 0, 0x180000001, 0x80000001},
    {"Rsh", Arithmetic::kRsh, 0xf0000000f0000000, 4, 0x0f0000000f000000, 0x0f000000},
    {"Arsh", Arithmetic::kArsh, 0xf0000000f0000000, 4, 0xff0000000f000000, 0xff000000},
    {"ArshByNothing", Arithmetic::kArsh, 0x180000001, 0, 0x180000001, 0x80000001},
};

class ArithmeticTable : public testing::TestWithParam<ArithmeticRow> {};

TEST_P(ArithmeticTable, WithEveryPairOfRegisters) {
  const ArithmeticRow& row = GetParam();
  for (std::uint8_t dst = 0; dst <= 9; ++dst) {
    for (std::uint8_t src = 0; src <= 9; ++src) {
      if (dst == src) continue;
      for (const Width width : {k64, k32}) {
        SCOPED_TRACE(testing::Message() << "dst R" << +dst << " src R" << +src);
        const auto build = [&](Builder& b) {
          b.LoadImm64(Register{dst}, row.left).LoadImm64(Register{src}, row.right);
          b.Alu(row.op, Register{dst}, Register{src}, width).Mov(kR0, Register{dst}).Exit();
        };
        ExpectBothGive(build, width == k64 ? row.wide : row.narrow);
      }
    }
  }
}

TEST_P(ArithmeticTable, LeavesTheOtherRegistersAlone) {
  const ArithmeticRow& row = GetParam();
  for (std::uint8_t dst = 0; dst <= 9; ++dst) {
    const auto src = static_cast<std::uint8_t>((dst + 3) % 10);
    const auto build = [&](Builder& b) {
      for (std::uint8_t other = 0; other <= 9; ++other) b.Mov(Register{other}, 1 << other);
      b.LoadImm64(Register{dst}, row.left).LoadImm64(Register{src}, row.right);
      b.Alu(row.op, Register{dst}, Register{src}, k32).Alu(row.op, Register{dst}, Register{src}, k64);
      b.Mov(Register{dst}, 1 << dst).Mov(Register{src}, 1 << src);
      for (std::uint8_t other = 1; other <= 9; ++other) b.Add(kR0, Register{other});
      b.Exit();
    };
    ExpectBothGive(build, 0x3ff);
  }
}

TEST_P(ArithmeticTable, WithAnImmediate) {
  const ArithmeticRow& row = GetParam();
  const auto imm = static_cast<std::int32_t>(row.right);
  if (static_cast<std::uint64_t>(std::int64_t{imm}) != row.right) return;  // not an immediate
  for (const Width width : {k64, k32}) {
    for (std::uint8_t dst = 0; dst <= 9; ++dst) {
      const auto build = [&](Builder& b) {
        b.LoadImm64(Register{dst}, row.left).Alu(row.op, Register{dst}, imm, width).Mov(kR0, Register{dst}).Exit();
      };
      ExpectBothGive(build, width == k64 ? row.wide : row.narrow);
    }
  }
}

TEST_P(ArithmeticTable, WithOneRegisterAsBothOperands) {
  const ArithmeticRow& row = GetParam();
  for (std::uint8_t reg = 0; reg <= 9; ++reg) {
    Builder b;
    b.LoadImm64(Register{reg}, row.left).Alu(row.op, Register{reg}, Register{reg}).Mov(kR0, Register{reg}).Exit();
    const auto code = std::move(b).Build().value();
    EXPECT_EQ(CompiledProgram::Make(code, {}).value().Run(nullptr), RunInterpreted(code, {}, nullptr)) << "R" << +reg;
  }
}

INSTANTIATE_TEST_SUITE_P(BothEngines, ArithmeticTable, testing::ValuesIn(kArithmeticRows),
                         [](const auto& row) { return row.param.name; });

// Divisors and factors that the compiler replaces, and their neighbours.
TEST(BothEngines, AgreeOnConstantFactorsAndDivisors) {
  for (const Arithmetic op :
       {Arithmetic::kMul, Arithmetic::kDiv, Arithmetic::kMod, Arithmetic::kSignedDiv, Arithmetic::kSignedMod}) {
    for (const std::int32_t imm : {1, 2, 3, 4, 5, 7, 8, 9, 10, 128, 1 << 30, 0x7fffffff, -1, -2, -128,
                                   std::numeric_limits<std::int32_t>::min()}) {
      for (const std::uint64_t left : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}, ~std::uint64_t{0},
                                       kMinimum32, kMinimum64, kMinimum64 - 1}) {
        for (const Width width : {k64, k32}) {
          Builder b;
          b.LoadImm64(kR3, left).Alu(op, kR3, imm, width).Mov(kR0, kR3).Exit();
          const auto code = std::move(b).Build().value();
          ASSERT_EQ(CompiledProgram::Make(code, {}).value().Run(nullptr), RunInterpreted(code, {}, nullptr))
              << "operation " << static_cast<int>(op) << " imm " << imm << " left " << left;
        }
      }
    }
  }
}

// --- conditions
// ---------------------------------------------------------------------------------------------------------

struct ConditionRow {
  const char* name;
  Condition condition;
  bool (*wide)(std::uint64_t, std::uint64_t);
};

template <typename Compare>
bool Signed(std::uint64_t a, std::uint64_t b) {
  return Compare()(static_cast<std::int64_t>(a), static_cast<std::int64_t>(b));
}
template <typename Compare>
bool Unsigned(std::uint64_t a, std::uint64_t b) {
  return Compare()(a, b);
}

const ConditionRow kConditionRows[] = {
    {"Equal", Condition::kEqual, Unsigned<std::equal_to<>>},
    {"NotEqual", Condition::kNotEqual, Unsigned<std::not_equal_to<>>},
    {"Greater", Condition::kGreater, Unsigned<std::greater<>>},
    {"GreaterOrEqual", Condition::kGreaterOrEqual, Unsigned<std::greater_equal<>>},
    {"Less", Condition::kLess, Unsigned<std::less<>>},
    {"LessOrEqual", Condition::kLessOrEqual, Unsigned<std::less_equal<>>},
    {"SignedGreater", Condition::kSignedGreater, Signed<std::greater<>>},
    {"SignedGreaterOrEqual", Condition::kSignedGreaterOrEqual, Signed<std::greater_equal<>>},
    {"SignedLess", Condition::kSignedLess, Signed<std::less<>>},
    {"SignedLessOrEqual", Condition::kSignedLessOrEqual, Signed<std::less_equal<>>},
    {"AnyBitSet", Condition::kAnyBitSet, [](std::uint64_t a, std::uint64_t b) { return (a & b) != 0; }},
};

class ConditionTable : public testing::TestWithParam<ConditionRow> {};

TEST_P(ConditionTable, ForEdgeValues) {
  const std::int32_t values[] = {0, 1, -1, 127, 128, -128, -129, 0x7fffffff, std::numeric_limits<std::int32_t>::min()};
  for (const std::int32_t left : values) {
    for (const std::int32_t right : values) {
      for (const Width width : {k64, k32}) {
        for (const bool is_register : {true, false}) {
          const auto build = [&](Builder& b) {
            const Label taken = b.NewLabel();
            b.Mov(kR1, left).Mov(kR8, right).Mov(kR0, 1);
            b.JumpIf(GetParam().condition, kR1, is_register ? isa::Operand(kR8) : isa::Operand(right), taken, width);
            b.Mov(kR0, 0).Bind(taken).Exit();
          };
          // Sign extension keeps the order of 32-bit values, signed and unsigned, and whether bits are shared.
          ExpectBothGive(build, GetParam().wide(static_cast<std::uint64_t>(std::int64_t{left}),
                                                static_cast<std::uint64_t>(std::int64_t{right}))
                                    ? 1
                                    : 0);
        }
      }
    }
  }
}

TEST_P(ConditionTable, NarrowOnesIgnoreTheUpperHalf) {
  const auto build = [&](Builder& b) {
    const Label taken = b.NewLabel();
    b.LoadImm64(kR1, 0xaaaaaaaa00000005).LoadImm64(kR2, 0x5555555500000005).Mov(kR0, 1);
    b.JumpIf(GetParam().condition, kR1, kR2, taken, k32).Mov(kR0, 0).Bind(taken).Exit();
  };
  ExpectBothGive(build, GetParam().wide(5, 5) ? 1 : 0);
}

INSTANTIATE_TEST_SUITE_P(BothEngines, ConditionTable, testing::ValuesIn(kConditionRows),
                         [](const auto& row) { return row.param.name; });

// --- everything else
// ----------------------------------------------------------------------------------------------------

struct ProgramRow {
  const char* name;
  Build build;
  std::uint64_t expected;
};

Build Unary(std::uint64_t value, std::function<void(Builder&, Register)> apply) {
  return [=](Builder& b) {
    b.LoadImm64(kR8, value);
    apply(b, kR8);
    b.Mov(kR0, kR8).Exit();
  };
}

// R7 is the context's address.
Build Memory(std::function<void(Builder&)> access) {
  return [=](Builder& b) {
    b.Mov(kR7, kR1).Mov(kR0, 0);
    access(b);
    b.Exit();
  };
}

const ProgramRow kPrograms[] = {
    {"Nothing", [](Builder& b) { b.Mov(kR0, 0).Exit(); }, 0},
    {"Negate", Unary(5, [](Builder& b, Register r) { b.Negate(r); }), static_cast<std::uint64_t>(-5)},
    {"Negate32", Unary(0x700000005, [](Builder& b, Register r) { b.Negate(r, k32); }), 0xfffffffb},
    {"Mov32Self", Unary(0x700000005, [](Builder& b, Register r) { b.Mov32(r, r); }), 5},
    {"MovSigned8", Unary(0x1280, [](Builder& b, Register r) { b.MovSigned(r, r, 8); }), 0xffffffffffffff80},
    {"MovSigned16", Unary(0x128000, [](Builder& b, Register r) { b.MovSigned(r, r, 16); }), 0xffffffffffff8000},
    {"MovSigned32", Unary(0x1280000000, [](Builder& b, Register r) { b.MovSigned(r, r, 32); }), 0xffffffff80000000},
    {"MovSigned8Of32", Unary(0x1280, [](Builder& b, Register r) { b.MovSigned(r, r, 8, k32); }), 0xffffff80},
    {"MovSigned16Of32", Unary(0x128000, [](Builder& b, Register r) { b.MovSigned(r, r, 16, k32); }), 0xffff8000},
    {"LittleEndian16", Unary(0x1122334455667788, [](Builder& b, Register r) { b.ToLittleEndian(r, 16); }), 0x7788},
    {"LittleEndian32", Unary(0x1122334455667788, [](Builder& b, Register r) { b.ToLittleEndian(r, 32); }), 0x55667788},
    {"LittleEndian64", Unary(0x1122334455667788, [](Builder& b, Register r) { b.ToLittleEndian(r, 64); }), 0x1122334455667788},
    {"BigEndian16", Unary(0x1122334455667788, [](Builder& b, Register r) { b.ToBigEndian(r, 16); }), 0x8877},
    {"BigEndian32", Unary(0x1122334455667788, [](Builder& b, Register r) { b.ToBigEndian(r, 32); }), 0x88776655},
    {"BigEndian64", Unary(0x1122334455667788, [](Builder& b, Register r) { b.ToBigEndian(r, 64); }), 0x8877665544332211},
    {"ByteSwap16", Unary(0x1122334455667788, [](Builder& b, Register r) { b.ByteSwap(r, 16); }), 0x8877},
    {"ByteSwap64", Unary(0x1122334455667788, [](Builder& b, Register r) { b.ByteSwap(r, 64); }), 0x8877665544332211},
    {"ZeroExtensionByShifts",
     Unary(0x1122334480000000, [](Builder& b, Register r) { b.Alu(Arithmetic::kLsh, r, 32).Alu(Arithmetic::kRsh, r, 32); }), 0x80000000},
    {"SignExtensionByShifts",
     Unary(0x1122334480000000, [](Builder& b, Register r) { b.Alu(Arithmetic::kLsh, r, 32).Alu(Arithmetic::kArsh, r, 32); }),
     0xffffffff80000000},
    {"AddressSum", [](Builder& b) { b.Mov(kR1, 40).Mov(kR6, 2).Mov(kR0, kR6).Add(kR0, kR1).Exit(); }, 42},
    {"AddressSumWithItself", [](Builder& b) { b.Mov(kR7, 21).Mov(kR0, kR7).Add(kR0, kR0).Exit(); }, 42},
    {"AddressDifference", [](Builder& b) { b.Mov(kR7, 50).Mov(kR0, kR7).Add(kR0, -8).Exit(); }, 42},

    {"Load8", Memory([](Builder& b) { b.Load(Size::k8, kR0, kR7, 7); }), 0x11},
    {"Load16", Memory([](Builder& b) { b.Load(Size::k16, kR0, kR7, 1); }), 0x6677},
    {"Load32", Memory([](Builder& b) { b.Load(Size::k32, kR0, kR7, 4); }), 0x11223344},
    {"Load64", Memory([](Builder& b) { b.Load(Size::k64, kR0, kR7, 8); }), 0x1122334455667789},
    {"LoadSigned8", Memory([](Builder& b) { b.LoadSigned(Size::k8, kR0, kR7, 0); }), 0xffffffffffffff88},
    {"LoadSigned16", Memory([](Builder& b) { b.Store(Size::k16, kR7, 2, -2).LoadSigned(Size::k16, kR0, kR7, 2); }),
     static_cast<std::uint64_t>(-2)},
    {"LoadSigned32", Memory([](Builder& b) { b.Store(Size::k32, kR7, 4, -3).LoadSigned(Size::k32, kR0, kR7, 4); }),
     static_cast<std::uint64_t>(-3)},
    {"Store8", Memory([](Builder& b) { b.Store(Size::k8, kR7, 9, 0xab).Load(Size::k64, kR0, kR7, 8); }), 0x112233445566ab89},
    {"Store16", Memory([](Builder& b) { b.Store(Size::k16, kR7, 8, -1).Load(Size::k64, kR0, kR7, 8); }), 0x112233445566ffff},
    {"Store32", Memory([](Builder& b) { b.Mov(kR2, -1).Store(Size::k32, kR7, 12, kR2).Load(Size::k64, kR0, kR7, 8); }), 0xffffffff55667789},
    {"Store64SignExtends", Memory([](Builder& b) { b.Store(Size::k64, kR7, 8, -1).Load(Size::k64, kR0, kR7, 8); }), ~0ULL},
    {"StoreByteOfR1AndR2",
     Memory([](Builder& b) { b.Mov(kR1, 0x31).Mov(kR2, 0x32).Store(Size::k8, kR7, 0, kR1).Store(Size::k8, kR7, 1, kR2).Load(Size::k16, kR0, kR7, 0); }),
     0x3231},
    {"StackFarDown", [](Builder& b) { b.Store(Size::k64, kR10, -512, 7).Load(Size::k64, kR0, kR10, -512).Exit(); }, 7},

    {"AtomicAdd", Memory([](Builder& b) { b.Mov(kR2, 2).Atomic(AtomicOp::kAdd, Size::k64, kR7, 8, kR2).Load(Size::k64, kR0, kR7, 8); }),
     0x112233445566778b},
    {"AtomicFetchAdd32", Memory([](Builder& b) { b.Mov(kR2, -1).Atomic(AtomicOp::kFetchAdd, Size::k32, kR7, 8, kR2).Mov(kR0, kR2); }), 0x55667789},
    {"AtomicFetchOr", Memory([](Builder& b) { b.Mov(kR2, 2).Atomic(AtomicOp::kFetchOr, Size::k64, kR7, 8, kR2).Mov(kR0, kR2); }), 0x1122334455667789},
    {"AtomicFetchAndStores",
     Memory([](Builder& b) { b.Mov(kR0, 0xf).Atomic(AtomicOp::kFetchAnd, Size::k64, kR7, 8, kR0).Load(Size::k64, kR0, kR7, 8); }), 9},
    {"AtomicFetchXorThroughR0",
     Memory([](Builder& b) { b.Mov(kR2, 1).Mov(kR0, kR7).Atomic(AtomicOp::kFetchXor, Size::k32, kR0, 8, kR2).Load(Size::k32, kR0, kR7, 8); }), 0x55667788},
    {"AtomicFetchKeepsR0",
     Memory([](Builder& b) { b.Mov(kR2, 1).Mov(kR0, 99).Atomic(AtomicOp::kFetchXor, Size::k64, kR7, 8, kR2); }), 99},
    {"AtomicExchange", Memory([](Builder& b) { b.Mov(kR2, 5).Atomic(AtomicOp::kExchange, Size::k64, kR7, 0, kR2).Mov(kR0, kR2); }), 0x1122334455667788},
    {"CompareExchangeHit",
     Memory([](Builder& b) {
       b.LoadImm64(kR0, 0xffffffff55667788).Mov(kR2, 1).Atomic(AtomicOp::kCompareExchange, Size::k32, kR7, 0, kR2);
     }),
     0x55667788},
    {"CompareExchangeMiss",
     Memory([](Builder& b) { b.Mov(kR0, 1).Mov(kR2, 1).Atomic(AtomicOp::kCompareExchange, Size::k64, kR7, 0, kR2); }), 0x1122334455667788},
    {"LoadAcquire", Memory([](Builder& b) { b.LoadAcquire(Size::k16, kR0, kR7, 0); }), 0x7788},
    {"StoreRelease", Memory([](Builder& b) { b.Mov(kR2, 5).StoreRelease(Size::k32, kR7, 0, kR2).Load(Size::k64, kR0, kR7, 0); }), 0x1122334400000005},

    {"LoadImm64", [](Builder& b) { b.LoadImm64(kR0, 0x8877665544332211).Exit(); }, 0x8877665544332211},
    {"JumpLong", [](Builder& b) { const Label end = b.NewLabel(); b.Mov(kR0, 1).JumpLong(end).Mov(kR0, 2).Bind(end).Exit(); }, 1},
    {"JumpToTheNext",
     [](Builder& b) {
       const Label one = b.NewLabel();
       const Label two = b.NewLabel();
       b.Mov(kR0, 1).Jump(one).Bind(one).JumpIf(Condition::kEqual, kR0, 1, two).Bind(two).Exit();
     },
     1},
    {"Loop",
     [](Builder& b) {
       const Label again = b.NewLabel();
       b.Mov(kR0, 0).Mov(kR1, 10).Bind(again).Add(kR0, kR1).Sub(kR1, 1).JumpIf(Condition::kNotEqual, kR1, 0, again).Exit();
     },
     55},
    {"LoopToTheFirstInstruction",
     [](Builder& b) {
       const Label again = b.NewLabel();
       const Label end = b.NewLabel();
       b.Bind(again).Load(Size::k64, kR0, kR1, 0).JumpIf(Condition::kEqual, kR0, 7, end).Store(Size::k64, kR1, 0, 7).Jump(again);
       b.Bind(end).Exit();
     },
     7},
    {"FarJumps",
     [](Builder& b) {
       const Label again = b.NewLabel();
       const Label end = b.NewLabel();
       b.Mov(kR0, 0).Bind(again).JumpIf(Condition::kGreater, kR0, 2, end);
       for (int i = 0; i < 100; ++i) b.Xor(kR5, kR0);
       b.Add(kR0, 1).Jump(again).Bind(end).Exit();
     },
     3},
    {"MayGotoIsNotTaken", [](Builder& b) { const Label end = b.NewLabel(); b.Mov(kR0, 1).MayGoto(end).Mov(kR0, 2).Bind(end).Exit(); }, 2},
    {"FunctionGetsArgumentsAndKeepsR6ToR9",
     [](Builder& b) {
       const Label function = b.NewLabel();
       b.Mov(kR6, 1000).Mov(kR7, 2000).Mov(kR8, 3000).Mov(kR9, 4000);
       b.Mov(kR1, 1).Mov(kR2, 2).Mov(kR3, 3).Mov(kR4, 4).Mov(kR5, 5).CallFunction(function);
       b.Add(kR0, kR6).Add(kR0, kR7).Add(kR0, kR8).Add(kR0, kR9).Exit();
       b.Bind(function).Mov(kR6, 0).Mov(kR7, 0).Mov(kR8, 0).Mov(kR9, 0).Store(Size::k64, kR10, -8, 9);
       b.Mov(kR0, kR1).Add(kR0, kR2).Add(kR0, kR3).Add(kR0, kR4).Add(kR0, kR5).Exit();
     },
     10015},
    {"FunctionHasAFrameOfItsOwn",
     [](Builder& b) {
       const Label function = b.NewLabel();
       b.Store(Size::k64, kR10, -8, 5).CallFunction(function).Load(Size::k64, kR0, kR10, -8).Exit();
       b.Bind(function).Store(Size::k64, kR10, -8, 6).Mov(kR0, 0).Exit();
     },
     5},
    {"FunctionWritesItsCallersFrame",
     [](Builder& b) {
       const Label function = b.NewLabel();
       b.Mov(kR1, kR10).Add(kR1, -16).CallFunction(function).Load(Size::k64, kR0, kR10, -16).Exit();
       b.Bind(function).Store(Size::k64, kR1, 0, 77).Mov(kR0, 0).Exit();
     },
     77},
    {"HelperSeesTheRun", [](Builder& b) { b.Call(kProcessorId).Exit(); }, 3},
    {"CallbackIsCalledAndMayEndTheLoop",
     [](Builder& b) {
       const Label callback = b.NewLabel();
       const Label stop = b.NewLabel();
       b.Mov(kR6, kR1).Mov(kR3, kR1).Mov(kR1, 10).LoadFunction(kR2, callback).Mov(kR4, 0).Call(kLoop);
       b.Load(Size::k64, kR1, kR6, 0).Alu(Arithmetic::kMul, kR0, 100).Add(kR0, kR1).Exit();
       b.Bind(callback).Store(Size::k64, kR2, 0, kR1).Mov(kR6, 1).Mov(kR0, 1).JumpIf(Condition::kEqual, kR1, 4, stop).Mov(kR0, 0);
       b.Bind(stop).Exit();
     },
     504},
};

class ProgramTable : public testing::TestWithParam<ProgramRow> {};

TEST_P(ProgramTable, GivesTheResult) { ExpectBothGive(GetParam().build, GetParam().expected, {.slot = 3}); }

INSTANTIATE_TEST_SUITE_P(BothEngines, ProgramTable, testing::ValuesIn(kPrograms),
                         [](const auto& row) { return row.param.name; });

// --- budget
// -------------------------------------------------------------------------------------------------------------

void EndlessLoop(Builder& b) {
  const Label again = b.NewLabel();
  b.Mov(kR0, 7).Bind(again).Add(kR0, 1).Jump(again).Exit();
}

void LoopOf(Builder& b, int rounds) {
  const Label again = b.NewLabel();
  b.Mov(kR0, 0).Bind(again).Add(kR0, 1).JumpIf(Condition::kLess, kR0, rounds, again).Exit();
}

TEST(Budget, EndsAnEndlessLoopWithZero) { ExpectBothGive(EndlessLoop, 0); }

TEST(Budget, PermitsExactlyItsNumberOfBackwardJumps) {
  const auto loop = [](Builder& b) { LoopOf(b, 5); };
  ExpectBothGive(loop, 5, {.budget = 4});
  ExpectBothGive(loop, 0, {.budget = 3});
}

TEST(Budget, EndsTheWholeRunFromInsideAFunction) {
  const auto build = [](Builder& b) {
    const Label outer = b.NewLabel();
    const Label inner = b.NewLabel();
    b.Mov(kR6, 1).Store(Size::k64, kR10, -8, 1).CallFunction(outer).Mov(kR0, 7).Exit();
    b.Bind(outer).Mov(kR6, 2).Mov(kR7, 2).CallFunction(inner).Mov(kR0, 7).Exit();
    b.Bind(inner).Mov(kR8, 3).Mov(kR9, 3).Store(Size::k64, kR10, -8, 1);
    EndlessLoop(b);
  };
  ExpectBothGive(build, 0, {.budget = 100});
}

TEST(Budget, EndsTheRunThroughAHelper) {
  const auto build = [](Builder& b) {
    const Label callback = b.NewLabel();
    b.Mov(kR6, 1).Mov(kR1, 1000000).LoadFunction(kR2, callback).Mov(kR3, 0).Mov(kR4, 0).Call(kLoop).Mov(kR0, 7).Exit();
    b.Bind(callback).Mov(kR6, 2).Mov(kR9, 2);
    EndlessLoop(b);
  };
  ExpectBothGive(build, 0, {.budget = 100});
}

TEST(Budget, CountsCallbacks) {
  const auto build = [](Builder& b) {
    const Label callback = b.NewLabel();
    b.Mov(kR1, 1000000).LoadFunction(kR2, callback).Mov(kR3, 0).Mov(kR4, 0).Call(kLoop).Mov(kR0, 7).Exit();
    b.Bind(callback).Mov(kR0, 0).Exit();
  };
  ExpectBothGive(build, 0, {.budget = 100});
  ExpectBothGive(build, 7, {.budget = 1000000});
}

TEST(Budget, MayGotoLeavesALoopBeforeTheRunIsEnded) {
  const auto build = [](Builder& b) {
    const Label again = b.NewLabel();
    const Label end = b.NewLabel();
    b.Mov(kR0, 0).Bind(again).MayGoto(end).Add(kR0, 1).Jump(again).Bind(end).Exit();
  };
  ExpectBothGive(build, 1001, {.budget = runtime::kMayGotoReserve + 1000});
}

TEST(RandomPrograms, RunAlikeInBothEngines) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) ASSERT_EQ(CompareEngines(seed), "");
}

TEST(RandomPrograms, TailCallOneAnotherAlikeInBothEngines) {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) ASSERT_EQ(CompareTailCalls(seed), "");
}

}  // namespace
}  // namespace strata::test
