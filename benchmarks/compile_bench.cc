// Cost of making code.
//
// Workloads: FirstTier compiles tracing programs (array and hash look-ups, branches, arithmetic) of so many
// instructions; Structure checks them.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "figures.h"
#include "strata/backend/userspace/compile/compiler.h"
#include "strata/backend/userspace/verifier/structural_check.h"
#include "strata/isa/builder.h"

namespace {

using strata::isa::Arithmetic;
using strata::isa::Builder;
using strata::isa::Condition;
using strata::isa::Instruction;
using strata::isa::kR0;
using strata::isa::kR1;
using strata::isa::kR10;
using strata::isa::kR2;
using strata::isa::kR3;
using strata::isa::kR4;
using strata::isa::kR6;
using strata::isa::kR7;
using strata::isa::Label;
using strata::isa::Size;
using strata::runtime::ProgramMap;

constexpr std::uint32_t kMapLookup = 1;
constexpr std::uint32_t kMapUpdate = 2;
constexpr std::uint32_t kKtime = 5;
constexpr std::uint32_t kPidTgid = 14;

// What a latency histogram does: time, pid, log2 by comparisons, counters in an array and a hash. 50 slots with its
// exit.
void AppendHistogram(Builder& b) {
  const Label missing = b.NewLabel();
  const Label narrow = b.NewLabel();
  const Label small = b.NewLabel();
  b.Mov(kR6, kR1)
      .Call(kKtime)
      .Mov(kR7, kR0)
      .Call(kPidTgid)
      .Alu(Arithmetic::kRsh, kR0, 32)
      .Store(Size::k32, kR10, -4, kR0);
  b.Load(Size::k64, kR1, kR6, 112).Store(Size::k64, kR10, -16, kR1);
  b.Mov(kR2, kR10).Add(kR2, -16).LoadMapIndex(kR1, 1).Call(kMapLookup).JumpIf(Condition::kEqual, kR0, 0, missing);
  b.Load(Size::k64, kR1, kR0, 0).Sub(kR7, kR1).Mov(kR3, 0).Mov(kR4, kR7).Alu(Arithmetic::kRsh, kR4, 32);
  b.JumpIf(Condition::kEqual, kR4, 0, narrow).Add(kR3, 32).Mov(kR7, kR4).Bind(narrow);
  b.JumpIf(Condition::kLess, kR7, 65536, small).Add(kR3, 16).Alu(Arithmetic::kRsh, kR7, 16).Bind(small);
  b.Store(Size::k32, kR10, -20, kR3).Mov(kR2, kR10).Add(kR2, -20).LoadMapIndex(kR1, 0).Call(kMapLookup);
  b.JumpIf(Condition::kEqual, kR0, 0, missing).Mov(kR1, 1).Atomic(strata::isa::AtomicOp::kAdd, Size::k64, kR0, 0, kR1);
  b.Bind(missing).Mov(kR2, kR10).Add(kR2, -16).Mov(kR3, kR10).Add(kR3, -16).Mov(kR4, 0).LoadMapIndex(kR1, 1).Call(
      kMapUpdate);
  b.Mov(kR1, kR6);
}

std::vector<Instruction> Program(std::uint32_t slots) {
  Builder builder;
  while (builder.next().value + 55 < slots) AppendHistogram(builder);
  while (builder.next().value + 2 < slots) builder.Add(kR7, 3);
  builder.Mov(kR0, 0).Exit();
  return std::move(builder).Build().value();
}

std::vector<ProgramMap> Maps() {
  ProgramMap array{};
  array.type = strata::MapType::kPerCpuArray;
  array.key_size = 4;
  array.value_size = array.value_stride = 8;
  array.max_entries = 64;
  array.slot_count = 4;
  array.slot_stride = 4096;
  ProgramMap hash = array;
  hash.type = strata::MapType::kHash;
  hash.key_size = 8;
  return {array, hash};
}

void FirstTier(benchmark::State& state) {
  const std::vector<Instruction> code = Program(static_cast<std::uint32_t>(state.range(0)));
  const std::vector<ProgramMap> maps = Maps();
  for (auto _ : state) benchmark::DoNotOptimize(strata::compile::CompileImage({code, maps}));
  state.counters["code_bytes"] = static_cast<double>(strata::compile::CompileImage({code, maps}).value().code.size());
}
BENCHMARK(FirstTier)->Arg(100)->Arg(1000)->Arg(10000);

void Structure(benchmark::State& state) {
  const std::vector<Instruction> code = Program(static_cast<std::uint32_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(strata::verifier::CheckStructure(
        code, strata::ProgramType::kKprobe, [](std::uint32_t) { return true; }, 2));
  }
}
BENCHMARK(Structure)->Arg(100)->Arg(1000);

// The median of many: one compilation is short enough for an interrupt to double it.
double MicrosecondsToCompile(std::uint32_t slots) {
  constexpr int kRounds = 2001;
  const std::vector<Instruction> code = Program(slots);
  const std::vector<ProgramMap> maps = Maps();
  std::vector<double> times;
  for (int i = 0; i < kRounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto image = strata::compile::CompileImage({code, maps});
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    if (!image) {
      std::fprintf(stderr, "%s\n", image.error().message().c_str());
      std::exit(1);
    }
    times.push_back(took.count());
  }
  std::nth_element(times.begin(), times.begin() + kRounds / 2, times.end());
  return times[kRounds / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (strata::bench::WantsFigures(argc, argv)) {
    strata::bench::PrintFigure("compile.first_tier.100_instructions", MicrosecondsToCompile(100));
    return 0;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
