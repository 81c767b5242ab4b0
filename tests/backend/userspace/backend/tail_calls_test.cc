// Tail calls that no kernel's verifier would let through: what is left to the runtime, in both engines.
#include "backend_fixture.h"

namespace strata {
namespace {

using isa::Instruction;

class UserspaceTailCalls : public UserspaceBackendTest, public ::testing::WithParamInterface<UserspaceEngine> {
 protected:
  void SetUp() override {
    UserspaceBackendTest::SetUp();
    UserspaceOptions options = Options();
    options.engine = GetParam();
    engine_ = OpenUserspaceBackend(options).value();
    array_ = engine_->CreateMap(Spec(MapType::kProgArray, 4, 4, 4), nullptr).value();
  }
  void TearDown() override {
    programs_.clear();
    array_.reset();
    engine_.reset();
    UserspaceBackendTest::TearDown();
  }

  // `array_loads` are the ldimm64 of the array.
  std::shared_ptr<BackendProgram> Load(std::vector<Instruction> code, std::vector<std::uint32_t> array_loads = {}) {
    LinkedProgram program = TrivialProgram();
    program.instructions = std::move(code);
    for (const std::uint32_t index : array_loads) program.map_references.push_back({.index = {index}, .map = array_});
    auto loaded = engine_->LoadProgram(program);
    EXPECT_TRUE(loaded) << loaded.error().message();
    programs_.push_back(loaded.value());
    return loaded.value();
  }
  void Put(std::uint32_t index, const std::shared_ptr<BackendProgram>& program) {
    ASSERT_TRUE(array_->UpdateProgram(BytesOf(index), program));
  }
  static std::uint32_t Result(const std::shared_ptr<BackendProgram>& program) {
    return program->TestRun({}).value().return_value;
  }

  // Of the other engine, in the same session.
  std::shared_ptr<BackendProgram> PutOfOtherEngine(std::uint32_t index, std::vector<Instruction> code) {
    UserspaceOptions options = Options();
    options.engine =
        GetParam() == UserspaceEngine::kCompiled ? UserspaceEngine::kInterpreted : UserspaceEngine::kCompiled;
    const auto other = OpenUserspaceBackend(options).value();
    LinkedProgram program = TrivialProgram();
    program.instructions = std::move(code);
    auto loaded = other->LoadProgram(program).value();
    EXPECT_TRUE(other->OpenMap(array_->info().id).value()->UpdateProgram(BytesOf(index), loaded));
    return loaded;
  }
  // Its processor's number, which is the slot's, and 20.
  static std::vector<Instruction> AsksForItsSlot() {
    return {{0x85, 0, 0, 0, 8}, {0xb7, 0, 0, 0, 20}, {0x95, 0, 0, 0, 0}};
  }
  // Forever.
  static std::vector<Instruction> Endless() { return {{0xb7, 0, 0, 0, 3}, {0x05, 0, 0, -1, 0}}; }
  static std::vector<Instruction> Seven() { return {{0xb7, 0, 0, 0, 7}, {0x95, 0, 0, 0, 0}}; }
  // r6 = 40; r0 = function(ctx); r0 += r6; exit; function: tail call to slot 0; r0 = 5; exit
  std::shared_ptr<BackendProgram> CallerInFunction() {
    return Load({{0xb7, 6, 0, 0, 40},
                 {0x85, 0, 1, 0, 2},
                 {0x0f, 0, 6, 0, 0},
                 {0x95, 0, 0, 0, 0},
                 {0x18, 2, 0, 0, 0},
                 {0, 0, 0, 0, 0},
                 {0xb7, 3, 0, 0, 0},
                 {0x85, 0, 0, 0, 12},
                 {0xb7, 0, 0, 0, 5},
                 {0x95, 0, 0, 0, 0}},
                {4});
  }
  // The same with a function in between, which keeps registers of its own.
  std::shared_ptr<BackendProgram> CallerTwoDeep() {
    return Load(
        {{0xb7, 6, 0, 0, 40}, {0xb7, 9, 0, 0, 1},   {0x85, 0, 1, 0, 3},   {0x0f, 0, 6, 0, 0},   {0x0f, 0, 9, 0, 0},
         {0x95, 0, 0, 0, 0},  {0xb7, 6, 0, 0, 100}, {0xb7, 7, 0, 0, 200}, {0x7b, 10, 7, -8, 0}, {0x85, 0, 1, 0, 4},
         {0x0f, 0, 6, 0, 0},  {0x79, 7, 10, -8, 0}, {0x0f, 0, 7, 0, 0},   {0x95, 0, 0, 0, 0},   {0x18, 2, 0, 0, 0},
         {0, 0, 0, 0, 0},     {0xb7, 3, 0, 0, 0},   {0x85, 0, 0, 0, 12},  {0xb7, 0, 0, 0, 5},   {0x95, 0, 0, 0, 0}},
        {14});
  }

  std::shared_ptr<Backend> engine_;
  std::shared_ptr<BackendMap> array_;
  std::vector<std::shared_ptr<BackendProgram>> programs_;
};

TEST_P(UserspaceTailCalls, ReturnToTheFunctionsCaller) {
  const auto shallow = CallerInFunction();
  const auto deep = CallerTwoDeep();
  EXPECT_EQ(Result(shallow), 45U);
  EXPECT_EQ(Result(deep), 346U);
  Put(0, Load(Seven()));
  EXPECT_EQ(Result(shallow), 47U);
  EXPECT_EQ(Result(deep), 348U);
}

TEST_P(UserspaceTailCalls, ReachProgramsOfTheOtherEngine) {
  const auto shallow = CallerInFunction();
  const auto deep = CallerTwoDeep();
  const auto seven = PutOfOtherEngine(0, Seven());
  for (int i = 0; i < 2; ++i) {  // met for the first time, and known
    EXPECT_EQ(Result(shallow), 47U);
    EXPECT_EQ(Result(deep), 348U);
  }
}

// The callers use none.
TEST_P(UserspaceTailCalls, ATargetWithoutASlotEndsTheWholeRun) {
  const auto caller = CallerInFunction();
  for (const bool is_of_other_engine : {false, true}) {
    std::shared_ptr<BackendProgram> target;
    if (is_of_other_engine) {
      target = PutOfOtherEngine(0, AsksForItsSlot());
    } else {
      target = Load(AsksForItsSlot());
      Put(0, target);
    }
    AsAgent([&](runtime::Process& process, int folder) {
      runtime::ProgramInstance* program = nullptr;
      ASSERT_EQ(runtime::InstantiateProgram(process, folder, caller->info().id, &program, nullptr), 0);
      using Outcome = std::pair<std::uint64_t, std::uint32_t>;  // and the run's flags
      const auto run = [&] {
        runtime::RunContext context;
        const std::uint64_t result = runtime::RunProgram(*program, context);
        return Outcome(result, context.flags);
      };
      for (int i = 0; i < 2; ++i) {  // met for the first time, and known
        std::vector<std::uint32_t> taken;
        while (taken.size() < process.slot_count) taken.push_back(runtime::LeaseSlot(process));
        EXPECT_EQ(run(), Outcome(0, runtime::run_flags::kMissed));
        for (const std::uint32_t slot : taken) runtime::ReleaseSlot(process, slot);
        EXPECT_EQ(run(), Outcome(60, 0)) << "the next one begins anew";
      }
      runtime::ReleaseProgram(program);
    });
  }
}

TEST_P(UserspaceTailCalls, ATargetThatUsesTheBudgetUpEndsTheWholeRun) {
  const auto shallow = CallerInFunction();
  const auto deep = CallerTwoDeep();
  Put(0, Load(Endless()));
  EXPECT_EQ(Result(shallow), 0U);
  EXPECT_EQ(Result(deep), 0U);
  EXPECT_EQ(Result(shallow), 0U) << "and the next one begins anew";
}

TEST_P(UserspaceTailCalls, ATargetMayEndTheRunInAFunctionOfItsOwn) {
  const auto deep = CallerTwoDeep();
  // r0 = function(); exit; function: forever
  Put(0, Load({{0x85, 0, 1, 0, 1}, {0x95, 0, 0, 0, 0}, {0xb7, 6, 0, 0, 3}, {0x05, 0, 0, -1, 0}}));
  EXPECT_EQ(Result(deep), 0U);
}

TEST_P(UserspaceTailCalls, ThroughAMapThatTheCompilerDoesNotKnow) {
  // r2 = array; goto over a target; r3 = 0; tail call; r0 = 5; exit
  const auto caller = Load({{0x18, 2, 0, 0, 0},
                            {0, 0, 0, 0, 0},
                            {0x15, 1, 0, 1, 0},
                            {0xb7, 4, 0, 0, 9},
                            {0xb7, 3, 0, 0, 0},
                            {0x85, 0, 0, 0, 12},
                            {0xb7, 0, 0, 0, 5},
                            {0x95, 0, 0, 0, 0}},
                           {0});
  EXPECT_EQ(Result(caller), 5U);
  Put(0, Load(Seven()));
  EXPECT_EQ(Result(caller), 7U);
}

INSTANTIATE_TEST_SUITE_P(Engines, UserspaceTailCalls,
                         ::testing::Values(UserspaceEngine::kCompiled, UserspaceEngine::kInterpreted),
                         [](const auto& engine) {
                           return engine.param == UserspaceEngine::kCompiled ? "compiled" : "interpreted";
                         });

}  // namespace
}  // namespace strata
