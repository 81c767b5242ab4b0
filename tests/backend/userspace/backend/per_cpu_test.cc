// Plain increments of per-CPU values by more threads than there are slots: none is lost, none missed.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "backend_fixture.h"

namespace strata {
namespace {

constexpr int kThreads = 8;
constexpr std::uint64_t kRunsPerThread = 20'000;

class PerCpuTest : public UserspaceBackendTest {
 protected:
  // Runs the program in `threads` threads; how many runs were missed.
  static std::uint64_t RunInThreads(const runtime::ProgramInstance& program, int threads) {
    std::atomic<std::uint64_t> missed{0};
    std::vector<std::thread> running;
    for (int thread = 0; thread < threads; ++thread) {
      running.emplace_back([&] {
        for (std::uint64_t i = 0; i < kRunsPerThread; ++i) {
          runtime::RunContext run;
          runtime::RunProgram(program, run);
          if ((run.flags & runtime::run_flags::kMissed) != 0) ++missed;
        }
      });
    }
    for (std::thread& thread : running) thread.join();
    return missed;
  }

  // In a child process that ends with status 0 when no run was missed.
  pid_t StartProcess(std::uint32_t program_id, int threads) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    std::uint64_t missed = 1;
    AsAgent([&](runtime::Process& process, int folder) {
      runtime::ProgramInstance* instance = nullptr;
      runtime::Reason reason;
      if (runtime::InstantiateProgram(process, folder, program_id, &instance, &reason) != 0) return;
      missed = RunInThreads(*instance, threads);
      runtime::ReleaseProgram(instance);
    });
    ::_exit(missed == 0 ? 0 : 1);
  }

  std::uint64_t SumOf(BackendMap& map) {
    std::vector<std::uint64_t> values(backend().possible_cpus());
    const std::uint32_t key = 0;
    EXPECT_TRUE(*map.Lookup(BytesOf(key), std::as_writable_bytes(std::span(values))));
    std::uint64_t sum = 0;
    for (const std::uint64_t value : values) sum += value;
    return sum;
  }

  // A map of the type with key 0 in it, all zero.
  std::shared_ptr<BackendMap> MakeCounts(MapType type) {
    auto map = MakeMap(Spec(type, 4, 8, 1));
    const std::uint32_t key = 0;
    const std::vector<std::uint64_t> zeros(backend().possible_cpus());
    map->Update(BytesOf(key), std::as_bytes(std::span(zeros)), UpdateMode::kAny).value();
    return map;
  }
};

TEST_F(PerCpuTest, ProgramsLeaseASlotThatAskForTheirProcessor) {
  constexpr std::int32_t kProcessorId = 8;
  constexpr std::int32_t kTime = 5;
  for (const std::int32_t helper : {kProcessorId, kTime}) {
    LinkedProgram source = TrivialProgram();
    source.instructions = {{0x85, 0, 0, 0, helper}, {0x95, 0, 0, 0, 0}};
    const auto program = backend().LoadProgram(source).value();
    AsAgent([&](runtime::Process& process, int folder) {
      runtime::ProgramInstance* instance = nullptr;
      runtime::Reason reason;
      ASSERT_EQ(runtime::InstantiateProgram(process, folder, program->info().id, &instance, &reason), 0) << reason.text;
      EXPECT_EQ((instance->flags & runtime::program_flags::kUsesSlot) != 0, helper == kProcessorId);
      runtime::ReleaseProgram(instance);
    });
  }
}

TEST_F(PerCpuTest, EightThreadsOfOneProcessCountExactly) {
  for (const MapType type : {MapType::kPerCpuArray, MapType::kPerCpuHash}) {
    auto map = MakeCounts(type);
    auto program = backend().LoadProgram(CountingProgram(map)).value();
    AsAgent([&](runtime::Process& process, int folder) {
      runtime::ProgramInstance* instance = nullptr;
      runtime::Reason reason;
      ASSERT_EQ(runtime::InstantiateProgram(process, folder, program->info().id, &instance, &reason), 0) << reason.text;
      EXPECT_EQ(RunInThreads(*instance, kThreads), 0U);
      runtime::ReleaseProgram(instance);
    });
    EXPECT_EQ(SumOf(*map), kThreads * kRunsPerThread);
  }
}

TEST_F(PerCpuTest, EightThreadsOfFourProcessesCountExactly) {
  for (const MapType type : {MapType::kPerCpuArray, MapType::kPerCpuHash}) {
    auto map = MakeCounts(type);
    auto program = backend().LoadProgram(CountingProgram(map)).value();
    std::vector<pid_t> children;
    for (int process = 0; process < 4; ++process) children.push_back(StartProcess(program->info().id, kThreads / 4));
    for (const pid_t child : children) {
      int status = -1;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_EQ(status, 0) << "runs were missed";
    }
    EXPECT_EQ(SumOf(*map), kThreads * kRunsPerThread);
  }
}

}  // namespace
}  // namespace strata
