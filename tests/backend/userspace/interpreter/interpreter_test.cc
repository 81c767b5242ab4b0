// What only the interpreter does; what both engines do is in ../compile/program_table_test.cc.
#include "strata/backend/userspace/runtime/interpreter/interpreter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "strata/isa/builder.h"

namespace strata::runtime {
namespace {

using isa::Builder;
using isa::Instruction;
using isa::kR0;
using isa::kR1;
using isa::kR2;
using isa::Label;

std::uint64_t SeenState = 0;

// Checks what a helper finds in the run, and calls the callback in R2 once.
std::uint64_t CallOnce(std::uint64_t, std::uint64_t function, std::uint64_t context, std::uint64_t, std::uint64_t,
                       RunContext* run) noexcept {
  SeenState = reinterpret_cast<std::uint64_t>(run->engine_state);
  return run->callback(10, context, 30, 40, function, run);
}

Helper FindHelper(std::uint32_t id) noexcept { return id == 1 ? CallOnce : nullptr; }

std::uint64_t RunOnce(Builder builder, RunContext& run, void* context = nullptr) {
  const std::vector<Instruction> code = std::move(builder).Build().value();
  const InterpretedProgram program{code.data(), static_cast<std::uint32_t>(code.size()), FindHelper};
  return Interpret(program, context, &run);
}

TEST(Interpreter, PassesTheContextInR1) {
  std::uint64_t context = 42;
  RunContext run;
  EXPECT_EQ(RunOnce(std::move(Builder().Load(isa::Size::k64, kR0, kR1, 0).Exit()), run, &context), 42U);
}

TEST(Interpreter, PutsTheRunBackAsItWas) {
  Builder b;
  const Label callback = b.NewLabel();
  b.LoadFunction(kR2, callback).Mov(isa::kR3, 20).Call(1).Exit();
  b.Bind(callback).Mov(kR0, kR1).Alu(isa::Arithmetic::kMul, kR0, 1000).Add(kR0, kR2).Exit();
  RunContext run;
  int marker = 0;
  run.engine_state = &marker;
  EXPECT_EQ(RunOnce(std::move(b), run), 10020U);
  EXPECT_NE(SeenState, reinterpret_cast<std::uint64_t>(&marker));
  EXPECT_EQ(run.engine_state, &marker);
  EXPECT_EQ(run.callback, nullptr);
}

// What the structural check refuses must still not run wild.
TEST(Interpreter, EndsTheRunAtWhatItCannotDo) {
  for (const bool unknown_helper : {true, false}) {
    Builder b;
    b.Mov(kR0, 7);
    if (unknown_helper) {
      b.Call(77);
    } else {
      b.LoadPacket(isa::Size::k8, 0);
    }
    b.Mov(kR0, 7).Exit();
    RunContext run;
    EXPECT_EQ(RunOnce(std::move(b), run), 0U);
    EXPECT_LT(run.budget, 0);
  }
}

TEST(Interpreter, EndsTheRunPastTheLastInstruction) {
  RunContext run;
  EXPECT_EQ(RunOnce(std::move(Builder().Mov(kR0, 7)), run), 0U);
  EXPECT_LT(run.budget, 0);
}

TEST(Interpreter, StopsAtNineFrames) {
  Builder b;
  const Label self = b.NewLabel();
  b.Bind(self).CallFunction(self).Mov(kR0, 7).Exit();
  RunContext run;
  EXPECT_EQ(RunOnce(std::move(b), run), 0U);
  EXPECT_LT(run.budget, 0);
}

}  // namespace
}  // namespace strata::runtime
