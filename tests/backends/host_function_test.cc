// Functions of the embedding program that programs call (docs/host-functions.md).
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "fixture.h"
#include "strata/backend/userspace/userspace_backend.h"
#include "targets.h"

namespace strata {
namespace {

using strata::testing::BackendTest;
using strata::testing::UserspaceKind;
using ::testing::HasSubstr;

int scores[4];

// Floating point, so that registers change which hooked code may use.
int AddToScore(int player, int points) noexcept {
  volatile double sum = scores[player];
  sum = sum + points;
  return scores[player] = static_cast<int>(sum);
}
long AddWidely(long player, long points) noexcept { return player + points; }

class HostFunctionTest : public BackendTest<UserspaceKind> {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    std::fill(std::begin(scores), std::end(scores), 0);
  }
  Result<Collection> Load() { return LoadCollection(backend_, std::string(STRATA_BPF_HOST_FUNCTION)); }
  std::shared_ptr<Backend> OpenAgain() {
    return OpenBackend("userspace", {.session = "test", .runtime_folder = folder_.path(), .agent_path = {}}).value();
  }
};

TEST_F(HostFunctionTest, IsCalledByAProbe) {
  const auto guard = backend_->ServeFunction(MakeHostFunction("add_to_score", AddToScore));
  ASSERT_TRUE(guard) << guard.error().message();
  auto objects = Load();
  ASSERT_TRUE(objects) << objects.error().message();
  auto self = OpenExecutable("/proc/self/exe").value();
  const auto probe = self.AttachUprobe("strata_test_add", **objects->FindProgram("score"), {.pid = ::getpid()});
  ASSERT_TRUE(probe) << probe.error().message();
  EXPECT_EQ(strata_test_add(2, 40, 0), 42);
  EXPECT_EQ(strata_test_add(2, 2, 0), 4);
  EXPECT_EQ(scores[2], 42);
}

TEST_F(HostFunctionTest, ReturnsItsResultToTheProgram) {
  const auto guard = backend_->ServeFunction(MakeHostFunction("add_to_score", AddToScore)).value();
  auto objects = Load().value();
  std::uint64_t registers[21] = {};
  registers[14] = 1;  // di
  registers[13] = 7;  // si
  const auto context = std::as_bytes(std::span(registers));
  const Program& program = **objects.FindProgram("score");
  EXPECT_EQ(program.TestRun({.context_in = context})->return_value, 7U);
  EXPECT_EQ(program.TestRun({.context_in = context})->return_value, 14U);
}

TEST_F(HostFunctionTest, IsInterpretedToo) {
  UserspaceOptions options;
  options.session = "interpreted";
  options.runtime_folder = folder_.path();
  options.engine = UserspaceEngine::kInterpreted;
  backend_ = OpenUserspaceBackend(std::move(options)).value();
  const auto guard = backend_->ServeFunction(MakeHostFunction("add_to_score", AddToScore)).value();
  auto objects = Load().value();
  std::uint64_t registers[21] = {};
  registers[13] = 9;
  EXPECT_EQ((*objects.FindProgram("score"))->TestRun({.context_in = std::as_bytes(std::span(registers))})->return_value,
            9U);
}

TEST_F(HostFunctionTest, AProgramIsRefusedWhereNobodyServesIt) {
  const auto objects = Load();
  ASSERT_FALSE(objects);
  EXPECT_EQ(objects.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(objects.error().message(), HasSubstr("add_to_score"));
}

TEST_F(HostFunctionTest, AProgramOfAnotherPrototypeIsRefused) {
  const auto guard = backend_->ServeFunction(MakeHostFunction("add_to_score", AddWidely)).value();
  const auto objects = Load();
  ASSERT_FALSE(objects);
  EXPECT_EQ(objects.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(objects.error().message(), HasSubstr("is declared as 4 bytes(4 bytes, 4 bytes), and is 8 bytes("));
}

// It is served by another process (here: another backend), so that the program loads, and cannot run in this one.
TEST_F(HostFunctionTest, AProcessThatDoesNotServeItNamesIt) {
  const auto other = OpenAgain();
  const auto guard = other->ServeFunction(MakeHostFunction("add_to_score", AddToScore)).value();
  auto objects = Load();
  ASSERT_TRUE(objects) << objects.error().message();
  const auto run = (*objects->FindProgram("score"))->TestRun();
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().sys_errno(), ENOSYS);
  EXPECT_THAT(run.error().message(), HasSubstr("function add_to_score is not served in this process"));
}

TEST_F(HostFunctionTest, SeveralProcessesMayServeOneOfTheSamePrototype) {
  auto first = backend_->ServeFunction(MakeHostFunction("add_to_score", AddToScore)).value();
  const auto other = OpenAgain();
  const auto second = other->ServeFunction(MakeHostFunction("add_to_score", AddToScore));
  ASSERT_TRUE(second) << second.error().message();
  first.reset();
  EXPECT_TRUE(Load()) << "the second still serves it";
  const auto third = backend_->ServeFunction(MakeHostFunction("add_to_score", AddWidely));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().sys_errno(), EEXIST);
}

TEST_F(HostFunctionTest, NamesMustBeOnesOfC) {
  for (const char* name : {"", "a/b", "../x", "add to score"}) {
    EXPECT_FALSE(backend_->ServeFunction(MakeHostFunction(name, AddToScore))) << name;
  }
  EXPECT_FALSE(backend_->ServeFunction(MakeHostFunction(std::string(60, 'a'), AddToScore)));
  EXPECT_FALSE(backend_->ServeFunction(MakeHostFunction("bpf_iter_num_new", AddToScore)));
}

}  // namespace
}  // namespace strata
