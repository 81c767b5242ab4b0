#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "backend_fixture.h"

namespace strata {
namespace {

using isa::Instruction;
using testing::ElementsAre;
using testing::HasSubstr;

Instruction Call(std::int32_t helper) { return {0x85, 0, 0, 0, helper}; }
constexpr Instruction kExit{0x95, 0, 0, 0, 0};

class UserspaceProgramTest : public UserspaceBackendTest {
 protected:
  Error LoadError(const LinkedProgram& program) {
    auto loaded = backend().LoadProgram(program);
    return loaded ? Error(ErrorCode::kSystem, "loaded") : loaded.error();
  }
  static AttachTarget OwnTarget() { return Target(::getpid()); }

  // An agent of the test's own: it answers for `pid` as it is told.
  void Answer(std::uint32_t link_id, std::int32_t pid, runtime::InstanceState state, int error, const char* reason) {
    AsAgent([&](runtime::Process& process, int folder) {
      runtime::InstanceRecord record{};
      record.link_id = link_id;
      record.pid = pid;
      record.state = state;
      record.error = error;
      record.site_count = 1;
      std::snprintf(record.reason, sizeof(record.reason), "%s", reason);
      EXPECT_EQ(runtime::WriteInstance(process, folder, record), 0);
    });
  }
};

TEST_F(UserspaceProgramTest, RunsCompiledAndInterpreted) {
  EXPECT_EQ(Run(*MakeProgram()), 7U);
  UserspaceOptions options = Options();
  options.engine = UserspaceEngine::kInterpreted;
  auto interpreting = OpenUserspaceBackend(std::move(options)).value();
  EXPECT_EQ(Run(*interpreting->LoadProgram(TrivialProgram()).value()), 7U);
}

// r0 = *(u32 *)(r1 + 0); *(u32 *)(r1 + 4) = 9; exit
TEST_F(UserspaceProgramTest, RunsWithoutAnEventOverItsContext) {
  LinkedProgram program = TrivialProgram();
  program.instructions = {{0x61, 0, 1, 0, 0}, {0x62, 1, 0, 4, 9}, kExit};
  const auto loaded = backend().LoadProgram(program).value();
  const std::uint32_t context[] = {77, 0};
  TestRunOptions options;
  options.context_in = std::as_bytes(std::span(context));
  options.repeat = 3;
  const TestRunResult result = loaded->TestRun(options).value();
  EXPECT_EQ(result.return_value, 77U);
  ASSERT_EQ(result.context_out.size(), sizeof(context));
  EXPECT_EQ(static_cast<int>(result.context_out[4]), 9);
  const std::byte packet[14] = {};
  options.data_in = packet;
  EXPECT_EQ(loaded->TestRun(options).error().code(), ErrorCode::kNotSupported);
}

TEST_F(UserspaceProgramTest, KeepsItsMapsAlive) {
  auto map = MakeMap(Spec(MapType::kHash, 4, 8, 1));
  const std::uint32_t key = 0;
  ASSERT_TRUE(map->Update(BytesOf(key), BytesOf(std::uint64_t{0}), UpdateMode::kAny));
  auto program = backend().LoadProgram(CountingProgram(map)).value();
  map.reset();
  EXPECT_EQ(Run(*program, 3), 0U);
  EXPECT_THAT(Files(), testing::Contains("map-1"));
  program.reset();
  EXPECT_THAT(Files(), ElementsAre("log", "root"));
}

TEST_F(UserspaceProgramTest, ReachesDataSectionsDirectly) {
  auto map = MakeMap(Spec(MapType::kArray, 4, 16, 1, map_flags::kMmapable));
  LinkedProgram program = TrivialProgram();
  program.instructions = {{0x18, 1, 0, 0, 0}, {0, 0, 0, 0, 0}, {0x79, 0, 1, 0, 0}, kExit};
  program.map_references = {{{0}, map, true, 8}};
  auto loaded = backend().LoadProgram(program).value();
  map->Memory().value()->bytes()[8] = std::byte{77};
  EXPECT_EQ(Run(*loaded), 77U);
  program.map_references[0].value_offset = 16;
  EXPECT_THAT(LoadError(program).message(), HasSubstr("outside of its values"));
}

TEST_F(UserspaceProgramTest, RefusesWhatItCannotRun) {
  LinkedProgram program = TrivialProgram();
  program.instructions = {Call(9), kExit};
  EXPECT_EQ(LoadError(program).code(), ErrorCode::kNotSupported);
  EXPECT_THAT(LoadError(program).message(), HasSubstr("program seven: "));
  program.instructions = {{0xb7, 0, 0, 0, 0}};
  EXPECT_EQ(LoadError(program).code(), ErrorCode::kVerifierRejected);
  program.instructions = {};
  EXPECT_EQ(LoadError(program).code(), ErrorCode::kVerifierRejected);
}

TEST_F(UserspaceProgramTest, HelpersOfProbesAreForThem) {
  LinkedProgram program = TrivialProgram();
  for (const std::int32_t helper : {58, 185}) {
    program.instructions = {{0xb7, 1, 0, 0, 0}, {0xb7, 2, 0, 0, 0}, Call(helper), kExit};
    program.type = ProgramType::kKprobe;
    EXPECT_TRUE(backend().LoadProgram(program)) << helper;
    program.type = ProgramType::kRawTracepoint;
    EXPECT_EQ(LoadError(program).sys_errno(), EINVAL);
    EXPECT_THAT(LoadError(program).message(), HasSubstr("program of this type cannot use helper bpf_"));
  }
}

// Each calls bpf_loop(1, the first function, 0, 0) and then all of its functions.
TEST_F(UserspaceProgramTest, RefusesTablesThatNoProcessWouldTake) {
  const auto make = [](std::int32_t functions) {
    LinkedProgram program = TrivialProgram();
    const std::int32_t callback = functions + 7;
    program.instructions = {
        {0xb7, 1, 0, 0, 1}, {0x18, 2, 4, 0, callback - 2}, {}, {0xb7, 3, 0, 0, 0}, {0xb7, 4, 0, 0, 0}, Call(181)};
    for (std::int32_t i = 0; i < functions; ++i) {
      const std::int32_t at = 6 + i;
      program.instructions.push_back({0x85, 0, 1, 0, callback + 2 * i - at - 1});
    }
    program.instructions.push_back(kExit);
    for (std::int32_t i = 0; i < functions; ++i) {
      program.instructions.insert(program.instructions.end(), {{0xb7, 0, 0, 0, 0}, kExit});
    }
    return program;
  };
  const auto most = static_cast<std::int32_t>(runtime::kMaxProgramFunctions) - 1;  // beside the first
  EXPECT_EQ(Run(*backend().LoadProgram(make(most)).value()), 0U);
  const Error error = LoadError(make(most + 1));
  EXPECT_EQ(error.code(), ErrorCode::kVerifierRejected);
  EXPECT_THAT(error.message(), HasSubstr("4097 functions beside callbacks, more than the limit of 4096"));
}

TEST_F(UserspaceProgramTest, HelpersOfGplProgramsAreForThem) {
  LinkedProgram program = TrivialProgram();
  program.instructions = {{0xb7, 1, 0, 0, 0}, Call(173), kExit};
  EXPECT_TRUE(backend().LoadProgram(program));
  program.license = "Proprietary";
  EXPECT_EQ(LoadError(program).code(), ErrorCode::kVerifierRejected);
  EXPECT_THAT(LoadError(program).message(), HasSubstr("cannot call GPL-restricted function bpf_get_func_ip"));
  program.instructions = {Call(5), kExit};
  EXPECT_TRUE(backend().LoadProgram(program));
}

TEST_F(UserspaceProgramTest, RefusesMapsOfAnotherBackend) {
  auto other = OpenAgain();
  auto map = other->CreateMap(Spec(MapType::kHash, 4, 8, 1), nullptr).value();
  EXPECT_THAT(LoadError(CountingProgram(map)).message(), HasSubstr("another backend"));
}

TEST_F(UserspaceProgramTest, ALinkIsPublishedAsItsTargetSays) {
  auto program = MakeProgram();
  auto link = backend().Attach(program, Target(), {}).value();
  AsAgent([&](runtime::Process&, int folder) {
    runtime::LinkView view;
    runtime::Reason reason;
    ASSERT_EQ(runtime::MapLink(folder, link->id(), &view, &reason), 0) << reason.text;
    EXPECT_EQ(view.header.program_id, program->info().id);
    EXPECT_EQ(view.header.pid, kAllProcesses);
    EXPECT_EQ(view.header.cookie, 99U);
    EXPECT_STREQ(view.header.kind, "uprobe");
    EXPECT_STREQ(view.path, "/proc/self/exe");
    EXPECT_EQ(view.header.plan_size, 100U);
    EXPECT_EQ(view.plan[99], std::byte{0xab});
    EXPECT_EQ(view.header.config_size, sizeof(UprobeConfig));
    EXPECT_TRUE(runtime::IsEnabled(view));
    EXPECT_TRUE(link->SetEnabled(false));
    EXPECT_FALSE(runtime::IsEnabled(view));
    EXPECT_TRUE(link->SetEnabled(true));
    EXPECT_TRUE(link->Detach());
    EXPECT_FALSE(runtime::IsEnabled(view));
    runtime::UnmapLink(&view);
    EXPECT_EQ(runtime::MapLink(folder, link->id(), &view, &reason), -ENOENT);
  });
  EXPECT_TRUE(link->Detach()) << "twice is fine";
  EXPECT_FALSE(link->SetEnabled(true));
}

TEST_F(UserspaceProgramTest, PublishingALinkWakesTheAgents) {
  auto program = MakeProgram();
  AsAgent([&](runtime::Process& process, int) {
    const std::uint32_t before = runtime::Generation(process);
    auto link = backend().Attach(program, Target(), {}).value();
    const std::uint32_t attached = runtime::Generation(process);
    EXPECT_NE(attached, before);
    EXPECT_EQ(attached % 2, 0U);
    link.reset();
    EXPECT_NE(runtime::Generation(process), attached);
  });
}

TEST_F(UserspaceProgramTest, AKindWithoutAPlannerIsNotServed) {
  AttachTarget target = Target();
  target.kind = "tracepoint";
  const auto link = backend().Attach(MakeProgram(), target, {});
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::kNotSupported);
}

TEST_F(UserspaceProgramTest, APlannersErrorIsTheAttachError) {
  UserspaceOptions options = Options();
  options.planners["uprobe"] = [](const AttachTarget&) -> Result<std::vector<std::byte>> {
    return Error(ErrorCode::kNotFound, "no such place");
  };
  auto other = OpenUserspaceBackend(std::move(options)).value();
  const auto link = other->Attach(other->LoadProgram(TrivialProgram()).value(), Target(), {});
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().message(), "no such place");
  EXPECT_THAT(Files(), ElementsAre("log", "root"));
}

TEST_F(UserspaceProgramTest, AttachingToAProcessWaitsForItsAnswer) {
  auto program = MakeProgram();  // object 1, so that the link is object 2
  const std::int32_t pid = ::getppid();
  std::thread agent([&] {
    ::usleep(20000);
    Answer(2, pid, runtime::InstanceState::kAttached, 0, "");
  });
  auto link = backend().Attach(program, Target(pid), {});
  agent.join();
  ASSERT_TRUE(link) << link.error().message();
  const std::vector<LinkInstance> instances = (*link)->Instances().value();
  ASSERT_EQ(instances.size(), 1U);
  EXPECT_EQ(instances[0].pid, pid);
  EXPECT_EQ(instances[0].state, LinkInstance::State::kAttached);
  EXPECT_EQ(instances[0].site_count, 1U);
}

TEST_F(UserspaceProgramTest, ARefusalOfTheProcessIsTheAttachError) {
  auto program = MakeProgram();
  const std::int32_t pid = ::getppid();
  Answer(2, pid, runtime::InstanceState::kRefused, EBADMSG, "the bytes in memory differ");
  const auto link = backend().Attach(program, Target(pid), {});
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().sys_errno(), EBADMSG);
  EXPECT_THAT(link.error().message(), HasSubstr("the bytes in memory differ"));
}

TEST_F(UserspaceProgramTest, AProcessThatEndsMeanwhileIsNotWaitedFor) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const auto link = backend().Attach(MakeProgram(), Target(child), {});
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(link.error().message(), HasSubstr("has no agent"));
}

TEST_F(UserspaceProgramTest, WithExpectNobodyIsWaitedFor) {
  EXPECT_TRUE(backend().Attach(MakeProgram(), Target(::getppid()), {.agent = AgentPolicy::kExpect}));
}

class RecordingProcess : public LocalProcess {
 public:
  explicit RecordingProcess(std::function<void()> on_reconcile) : on_reconcile_(std::move(on_reconcile)) {}
  Result<void> Reconcile() override {
    on_reconcile_();
    return {};
  }

 private:
  std::function<void()> on_reconcile_;
};

TEST_F(UserspaceProgramTest, TheOwnProcessIsReconciledWhenLinksComeAndGo) {
  int calls = 0;
  UserspaceOptions options = Options();
  options.make_local_process = [&](const std::string& folder) -> Result<std::unique_ptr<LocalProcess>> {
    EXPECT_EQ(folder, session_folder());
    return std::unique_ptr<LocalProcess>(std::make_unique<RecordingProcess>(
        [&] { Answer(2, ::getpid(), runtime::InstanceState::kAttached, 0, ""), ++calls; }));
  };
  auto local = OpenUserspaceBackend(std::move(options)).value();
  auto program = local->LoadProgram(TrivialProgram()).value();
  auto link = local->Attach(program, OwnTarget(), {});
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(calls, 1);
  link->reset();
  EXPECT_EQ(calls, 2);
}

TEST_F(UserspaceProgramTest, WithoutALocalProcessTheOwnOneIsRefused) {
  const auto link = backend().Attach(MakeProgram(), OwnTarget(), {});
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::kNotSupported);
}

TEST_F(UserspaceProgramTest, StatsAddUpOverLinksThatAreGone) {
  auto guard = backend().EnableStats(StatsDetail::kCount).value();
  auto program = MakeProgram();
  auto link = backend().Attach(program, Target(), {}).value();
  AsAgent([&](runtime::Process&, int folder) {
    runtime::LinkView view;
    ASSERT_EQ(runtime::MapLink(folder, link->id(), &view, nullptr), 0);
    EXPECT_EQ(view.header.flags, runtime::link_flags::kCounted);
    runtime::CountersOf(view, 0).run_count += 5;
    runtime::CountersOf(view, 1).run_count += 6;
    runtime::CountersOf(view, 1).missed_count += 2;
    runtime::UnmapLink(&view);
  });
  EXPECT_EQ(program->Stats()->run_count, 11U);
  link.reset();
  EXPECT_EQ(program->Stats()->run_count, 11U);
  EXPECT_EQ(program->Stats()->missed_count, 2U);
}

TEST_F(UserspaceProgramTest, PrintedLinesComeOutOfTheLog) {
  auto log = backend().OpenTraceLog().value();
  std::vector<std::string> lines;
  const auto collect = [&](std::string_view line) { lines.emplace_back(line); };
  ASSERT_TRUE(log->Drain(collect));
  EXPECT_THAT(lines, testing::IsEmpty());
  // *(u64 *)(r10 - 8) = "hi %d\n"; trace_printk(r10 - 8, 7, 42)
  LinkedProgram program = TrivialProgram();
  program.instructions = {{0x18, 1, 0, 0, 0x25206968},
                          {0, 0, 0, 0, 0x00000a64},
                          {0x7b, 10, 1, -8, 0},
                          {0xbf, 1, 10, 0, 0},
                          {0x07, 1, 0, 0, -8},
                          {0xb7, 2, 0, 0, 7},
                          {0xb7, 3, 0, 0, 42},
                          Call(6),
                          kExit};
  auto loaded = backend().LoadProgram(program).value();
  EXPECT_EQ(Run(*loaded, 2), 6U);
  ASSERT_TRUE(log->Drain(collect));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], testing::EndsWith("-" + std::to_string(::gettid()) + ": hi 42"));
}

}  // namespace
}  // namespace strata
