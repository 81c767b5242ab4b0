// Containers: of the registry only the session's folder, or the folder above, is mounted into one, at another path.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "command.h"
#include "container.h"
#include "strata/base/unique_fd.h"
#include "strata/strata.h"

namespace strata::testing {
namespace {

// What a session's loader has.
struct Tracing {
  static Result<Tracing> Start(const std::string& runtime_folder) {
    Tracing tracing;
    tracing.backend = STRATA_TRY(OpenBackend(
        "userspace", {.session = "test", .runtime_folder = runtime_folder, .agent_path = STRATA_AGENT_FILE}));
    tracing.objects = STRATA_TRY(LoadCollection(tracing.backend, std::string(STRATA_BPF_CONTAINER)));
    for (const auto& [name, program] : tracing.objects->programs())
      tracing.links.push_back(STRATA_TRY(AutoAttach(program, {.agent = AgentPolicy::kExpect})));
    return tracing;
  }
  std::uint64_t Counted() {
    const auto values = **objects->FindMap<PerCpuArray<std::uint64_t>>("calls").value().Lookup(0);
    return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
  }
  std::uint64_t Missed() { return objects->FindProgram("on_call").value()->Stats()->missed_count; }
  // Threads that the hash has an element of, as their namespaces number them.
  std::vector<std::pair<std::uint32_t, std::uint64_t>> Threads() {
    return objects->FindMap<HashMap<std::uint32_t, std::uint64_t>>("threads").value().Snapshot().value();
  }

  std::shared_ptr<Backend> backend;
  std::optional<Collection> objects;
  std::vector<Link> links;
};

struct Pipe {
  Pipe() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read_end.Reset(ends[0]);
    write_end.Reset(ends[1]);
  }
  UniqueFd read_end;
  UniqueFd write_end;
};

class ContainerTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!GetParam() && ::geteuid() != 0)
      GTEST_SKIP() << "lacks root's rights, which containers without a user namespace need";
    if (Container(Options(runtime_.path()), [] { return 0; }).Wait() == kNoContainer)
      GTEST_SKIP() << "lacks the right to make namespaces";
  }
  ContainerOptions Options(const std::string& folder, const std::string& session = kSharedFolder) const {
    return {.shared_folder = folder, .has_user_namespace = GetParam(), .settings = Settings(session)};
  }
  static std::vector<std::string> Settings(const std::string& session) {
    return {"STRATA_SESSION=" + session, std::string("LD_PRELOAD=") + STRATA_AGENT_FILE};
  }
  std::string session_folder() const { return runtime_.path() + "/test"; }

  RuntimeFolder runtime_;
};
INSTANTIATE_TEST_SUITE_P(Namespaces, ContainerTest, ::testing::Bool(),
                         [](const auto& row) { return row.param ? "UserMountPid" : "MountPid"; });

TEST_P(ContainerTest, EventsInsideAreCountedByALoaderOutside) {
  auto tracing = Tracing::Start(runtime_.path());
  ASSERT_TRUE(tracing) << tracing.error().message();
  Container traced(Options(session_folder()), Program({STRATA_TARGET, "calls", "1000"}));
  EXPECT_EQ(traced.Wait(), 0);
  EXPECT_EQ(tracing->Counted(), 1000U);
  EXPECT_THAT(tracing->Threads(), ::testing::ElementsAre(::testing::Pair(1U, 1000U)));
}

TEST_P(ContainerTest, TheRuntimeFolderIsAsGoodAsTheSessions) {
  auto tracing = Tracing::Start(runtime_.path());
  ASSERT_TRUE(tracing) << tracing.error().message();
  const std::string session = std::string(kSharedFolder) + "/test";
  Container traced(Options(runtime_.path(), session), Program({STRATA_TARGET, "threads", "500"}));
  EXPECT_EQ(traced.Wait(), 0);
  EXPECT_EQ(tracing->Counted() + tracing->Missed(), 2000U);
  EXPECT_EQ(tracing->Threads().size(), 4U);
}

// A loader that says when it is there, and what it counted when it is asked.
int LoadInside(int answers, int questions) {
  auto tracing = Tracing::Start(kSharedFolder);
  if (!tracing) return 1;
  std::uint64_t counted = 0;
  for (char question; ::write(answers, &counted, sizeof(counted)) == sizeof(counted);) {
    if (::read(questions, &question, 1) != 1) return 3;
    if (question == '.') return 0;
    counted = tracing->Counted();
  }
  return 2;
}

TEST_P(ContainerTest, EventsOutsideAreCountedByALoaderInside) {
  Pipe questions;
  Pipe answers;
  Container loader(Options(runtime_.path()),
                   [&] { return LoadInside(answers.write_end.get(), questions.read_end.get()); });
  answers.write_end.Reset();
  std::uint64_t counted = 1;
  ASSERT_EQ(::read(answers.read_end.get(), &counted, sizeof(counted)), sizeof(counted));
  EXPECT_EQ(counted, 0U);
  const CommandResult traced = RunCommand({STRATA_TARGET, "calls", "1000"}, Settings(session_folder()));
  EXPECT_EQ(traced.status, 0) << traced.err;
  ASSERT_EQ(::write(questions.write_end.get(), "?", 1), 1);
  ASSERT_EQ(::read(answers.read_end.get(), &counted, sizeof(counted)), sizeof(counted));
  EXPECT_EQ(counted, 1000U);
  ASSERT_EQ(::write(questions.write_end.get(), ".", 1), 1);
  EXPECT_EQ(loader.Wait(), 0);
}

TEST_P(ContainerTest, ContainersAndProcessesOutsideCountTogether) {
  auto tracing = Tracing::Start(runtime_.path());
  ASSERT_TRUE(tracing) << tracing.error().message();
  Container first(Options(session_folder()), Program({STRATA_TARGET, "threads", "20000"}));
  Container second(Options(session_folder()), Program({STRATA_TARGET, "threads", "20000"}));
  const CommandResult outside = RunCommand({STRATA_TARGET, "threads", "20000"}, Settings(session_folder()));
  EXPECT_EQ(outside.status, 0) << outside.err;
  EXPECT_EQ(first.Wait(), 0);
  EXPECT_EQ(second.Wait(), 0);
  EXPECT_EQ(tracing->Counted() + tracing->Missed(), 240000U);
}

TEST_P(ContainerTest, AKilledContainerHoldsUpNobody) {
  auto tracing = Tracing::Start(runtime_.path());
  ASSERT_TRUE(tracing) << tracing.error().message();
  {
    const Container killed(Options(session_folder()), Program({STRATA_TARGET, "endless", "1000"}));
    while (tracing->Counted() == 0) std::this_thread::yield();
  }
  // What it had taken is waited for and not taken over: another run may miss, but it ends.
  const std::uint64_t before = tracing->Counted() + tracing->Missed();
  Container next(Options(session_folder()), Program({STRATA_TARGET, "calls", "1000"}));
  EXPECT_EQ(next.Wait(), 0);
  EXPECT_EQ(tracing->Counted() + tracing->Missed(), before + 1000);
}

}  // namespace
}  // namespace strata::testing
