// Programs that ask for their task: what their file carries, and both engines.
#include "strata/backend/userspace/task_layout.h"

#include <unistd.h>

#include "backend_fixture.h"
#include "strata/btf/builder.h"
#include "strata/isa/builder.h"

namespace strata {
namespace {

using isa::kR0, isa::kR1, isa::kR2, isa::kR3, isa::kR4, isa::kR5, isa::kR6;
using isa::Size;
using ::testing::HasSubstr;

constexpr std::uint32_t kCurrentTaskBtf = 158;

class TaskProgramTest : public UserspaceBackendTest, public ::testing::WithParamInterface<UserspaceEngine> {
 protected:
  void SetUp() override {
    UserspaceBackendTest::SetUp();
    UserspaceOptions options = Options();
    options.session = "tasks";
    options.engine = GetParam();
    own_ = OpenUserspaceBackend(std::move(options)).value();
  }
  void TearDown() override {
    own_.reset();
    UserspaceBackendTest::TearDown();
  }
  std::uint32_t ResultOf(isa::Builder builder) {
    LinkedProgram program = TrivialProgram();
    program.license = "GPL";
    program.instructions = std::move(builder).Build().value();
    const auto loaded = own_->LoadProgram(program);
    EXPECT_TRUE(loaded) << loaded.error().message();
    return loaded ? (*loaded)->TestRun({}).value().return_value : 0xdeadbeef;
  }

  std::shared_ptr<Backend> own_;
};
INSTANTIATE_TEST_SUITE_P(, TaskProgramTest,
                         ::testing::Values(UserspaceEngine::kCompiled, UserspaceEngine::kInterpreted),
                         [](const auto& engine) {
                           return engine.param == UserspaceEngine::kCompiled ? "compiled" : "interpreted";
                         });

TEST_P(TaskProgramTest, LoadsMembersThroughThePointer) {
  const auto layout = userspace::MakeTaskLayout(*KernelFacts().Types().value()).value();
  isa::Builder builder;
  builder.Call(kCurrentTaskBtf);
  builder.Load(Size::k32, kR0, kR0, static_cast<std::int16_t>(layout.place(runtime::TaskField::kTaskPid).offset))
      .Exit();
  EXPECT_EQ(ResultOf(std::move(builder)), static_cast<std::uint32_t>(::gettid()));
}

TEST_P(TaskProgramTest, LoadsOfEverySizeThroughNothingGiveZero) {
  for (const Size size : {Size::k8, Size::k16, Size::k32, Size::k64}) {
    isa::Builder builder;
    builder.Call(kCurrentTaskBtf).Mov(kR6, kR0).Sub(kR6, kR0).Load(size, kR0, kR6, 16).Exit();
    EXPECT_EQ(ResultOf(std::move(builder)), 0U) << static_cast<int>(size);
  }
}

// What a program does not see as a call changes no register.
TEST_P(TaskProgramTest, GuardedLoadsKeepTheRegisters) {
  isa::Builder builder;
  builder.Call(kCurrentTaskBtf).Mov(kR6, kR0).Sub(kR6, kR0);
  builder.Mov(kR0, 1).Mov(kR1, 2).Mov(kR2, 4).Mov(kR3, 8).Mov(kR4, 16).Mov(kR5, 32);
  builder.Load(Size::k64, kR6, kR6, 8);
  for (const auto reg : {kR1, kR2, kR3, kR4, kR5, kR6}) builder.Add(kR0, reg);
  builder.Exit();
  EXPECT_EQ(ResultOf(std::move(builder)), 63U);
}

TEST_P(TaskProgramTest, SignedLoadsKeepTheSign) {
  isa::Builder builder;
  builder.Call(kCurrentTaskBtf).Mov(kR6, kR0).Sub(kR6, kR0);  // not known to be a number
  const std::int8_t byte = -3;
  builder.LoadImm64(kR1, reinterpret_cast<std::uint64_t>(&byte)).Add(kR6, kR1).LoadSigned(Size::k8, kR0, kR6, 0).Exit();
  EXPECT_EQ(ResultOf(std::move(builder)), static_cast<std::uint32_t>(-3));
}

TEST(TaskLayout, KernelsWithoutTheirTypesAreRefusedByName) {
  btf::Builder builder;
  ASSERT_TRUE(builder.Add(btf::Int{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true}));
  const auto types = btf::Btf::Parse(std::move(builder).Build().value()).value();
  const auto layout = userspace::MakeTaskLayout(*types);
  ASSERT_FALSE(layout);
  EXPECT_EQ(layout.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(layout.error().message(), HasSubstr("no member pid of struct task_struct"));
}

TEST(TaskLayout, FindsMembersOfTheRunningKernel) {
  const auto layout = userspace::MakeTaskLayout(*KernelFacts().Types().value()).value();
  for (const auto field : {runtime::TaskField::kTaskRealParent, runtime::TaskField::kCredUid,
                           runtime::TaskField::kMountNumber, runtime::TaskField::kNodeId}) {
    EXPECT_NE(layout.place(field).size_bytes, 0U) << static_cast<int>(field);
  }
  EXPECT_EQ(layout.place(runtime::TaskField::kTaskComm).size_bytes, 16U);
}

}  // namespace
}  // namespace strata
