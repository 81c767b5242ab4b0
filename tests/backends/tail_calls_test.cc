// Prog arrays and the tail calls through them, by programs that run without an event.
#include <cerrno>
#include <chrono>
#include <thread>

#include "objects_fixture.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using strata::testing::EngineKinds;
using strata::testing::EngineNames;
using strata::testing::EngineTest;

enum Counter : std::uint32_t { kSteps, kBack, kSum };

struct Context {
  std::uint64_t index = 0;
  std::uint64_t rounds = 0;
};

template <typename T>
class TailCallTest : public EngineTest<T> {
 protected:
  void SetUp() override {
    EngineTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_TAIL_CALLS));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }

  ProgArray Targets() { return objects_->template FindMap<ProgArray>("targets").value(); }
  const Program& Find(const std::string& name) { return **objects_->FindProgram(name); }
  void Put(std::uint32_t index, const std::string& program) {
    const auto result = Targets().Update(index, Find(program));
    ASSERT_TRUE(result) << result.error().message();
  }
  int Run(const std::string& program, Context context = {}) {
    const auto result = Find(program).TestRun({.context_in = std::as_bytes(std::span(&context, 1))});
    EXPECT_TRUE(result) << result.error().message();
    return result ? static_cast<int>(result->return_value) : -1000;
  }
  std::uint64_t Count(Counter counter) {
    return **objects_->template FindMap<Array<std::uint64_t>>("counters")->Lookup(counter);
  }

  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(TailCallTest, EngineKinds, EngineNames);

TYPED_TEST(TailCallTest, RunsTheProgramThatIsThere) {
  this->Put(2, "return_seven");
  EXPECT_EQ(this->Run("call_index", {.index = 2}), 7);
  EXPECT_EQ(this->Count(kSum), 2U) << "it gets the caller's context";
  EXPECT_EQ(this->Run("call_constant"), 7);
  EXPECT_EQ(this->Run("call_constant"), 7);
  EXPECT_EQ(this->Count(kSteps), 2U);
}

TYPED_TEST(TailCallTest, GoesOnWhereNothingIsThere) {
  EXPECT_EQ(this->Run("call_index", {.index = 0}), 1);
  EXPECT_EQ(this->Run("call_index", {.index = 8}), 1);
  EXPECT_EQ(this->Run("call_index", {.index = 0xffffffff}), 1);
  EXPECT_EQ(this->Run("call_constant"), 1);
  EXPECT_EQ(this->Run("call_past_end"), 1);
}

TYPED_TEST(TailCallTest, ReadsTheIndexAs32Bits) {
  this->Put(2, "return_seven");
  EXPECT_EQ(this->Run("call_index", {.index = 0x1'0000'0002}), 7);
}

TYPED_TEST(TailCallTest, SeesChangesOfTheArray) {
  for (int i = 0; i < 10; ++i) {
    this->Put(2, "return_seven");
    EXPECT_EQ(this->Run("call_constant"), 7);
    this->Put(2, "count_per_cpu");
    EXPECT_EQ(this->Run("call_constant"), 4);
    EXPECT_TRUE(*this->Targets().Delete(2));
    EXPECT_EQ(this->Run("call_constant"), 1);
  }
}

TYPED_TEST(TailCallTest, EndsAtTheLimit) {
  this->Put(3, "repeat");
  EXPECT_EQ(this->Run("repeat"), 33);
  EXPECT_EQ(this->Count(kSteps), 34U) << "the program itself and 33 calls";
  this->Put(2, "repeat");
  EXPECT_EQ(this->Run("call_index", {.index = 2}), 33);
  EXPECT_EQ(this->Count(kSteps), 34U + 33U) << "the first call counts too";
}

TYPED_TEST(TailCallTest, EmptySlotsDoNotCountTowardsTheLimit) {
  EXPECT_EQ(this->Run("grow"), 0);
  this->Put(3, "repeat");
  EXPECT_EQ(this->Run("repeat"), 33);
  EXPECT_EQ(this->Count(kSteps), 1U + 34U);
}

TYPED_TEST(TailCallTest, ATargetWithPerCpuMapsCounts) {
  this->Put(2, "count_per_cpu");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(this->Run("call_constant"), 4);
  const auto values = *this->objects_->template FindMap<PerCpuArray<std::uint64_t>>("per_cpu")->Lookup(0);
  std::uint64_t sum = 0;
  for (const std::uint64_t value : *values) sum += value;
  EXPECT_EQ(sum, 5U);
}

TYPED_TEST(TailCallTest, InAFunctionReplacesThatFunctionOnly) {
  this->Put(4, "return_seven");
  EXPECT_EQ(this->Run("call_in_function", {.index = 4}), 71);
  EXPECT_EQ(this->Count(kBack), 1U);
  EXPECT_EQ(this->Run("call_in_function", {.index = 5}), 1001) << "an empty slot: the function goes on";
  EXPECT_EQ(this->Run("call_twice", {.index = 4}), 2014);
  EXPECT_EQ(this->Count(kBack), 3U);
}

TYPED_TEST(TailCallTest, TheLimitHoldsForAllFramesTogether) {
  this->Put(5, "grow");
  EXPECT_EQ(this->Run("grow"), 0);
  EXPECT_EQ(this->Count(kSteps), 34U);
  this->Put(3, "repeat");
  EXPECT_EQ(this->Run("call_twice", {.index = 3}), 33 + 1000 + 1100);
}

TYPED_TEST(TailCallTest, CallbacksAreThoseOfTheProgramThatRuns) {
  this->Put(6, "loop");
  EXPECT_EQ(this->Run("call_index", {.index = 6, .rounds = 5}), 6);
  EXPECT_EQ(this->Count(kSum), 10U);
  EXPECT_EQ(this->Run("loop_around", {.index = 6, .rounds = 5}), 6);
  EXPECT_EQ(this->Count(kSum), 20U);
  EXPECT_EQ(this->Count(kBack), 20U);
}

TYPED_TEST(TailCallTest, LookUpsGiveIds) {
  ProgArray targets = this->Targets();
  EXPECT_EQ(*targets.LookupId(2), std::nullopt);
  this->Put(2, "return_seven");
  EXPECT_EQ(*targets.LookupId(2), this->Find("return_seven").info().id);
  EXPECT_EQ(*targets.LookupId(8), std::nullopt);
  EXPECT_FALSE(*targets.Delete(3));
  EXPECT_EQ(targets.Delete(8).error().sys_errno(), E2BIG);
  EXPECT_EQ(targets.Update(8, this->Find("return_seven")).error().sys_errno(), E2BIG);
}

TYPED_TEST(TailCallTest, TakesProgramsOfOneTypeOnly) {
  const auto other = this->Targets().Update(0, this->Find("other_type"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(other.error().sys_errno(), EINVAL);
  EXPECT_EQ(*this->Targets().LookupId(0), std::nullopt);
}

TYPED_TEST(TailCallTest, TheFirstProgramDecidesTheType) {
  const Map array = this->CreateMap(MapType::kProgArray, 4, 4, 3);
  ProgArray targets = ProgArray::From(array).value();
  ASSERT_TRUE(targets.Update(0, this->Find("other_type")));
  EXPECT_EQ(targets.Update(1, this->Find("repeat")).error().sys_errno(), EINVAL);
  ASSERT_TRUE(*targets.Delete(0));
  EXPECT_EQ(targets.Update(1, this->Find("repeat")).error().sys_errno(), EINVAL) << "also of an empty array";
}

TYPED_TEST(TailCallTest, ProgramsThatUseItHaveItsType) {
  const Map array = this->CreateMap(MapType::kProgArray, 4, 4, 8);
  ASSERT_TRUE(ProgArray::From(array)->Update(0, this->Find("other_type")));
  const auto loaded = LoadCollection(this->backend_, std::string(STRATA_BPF_TAIL_CALLS),
                                     {.programs = {"call_index"}, .maps = {{"targets", &array}}});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().sys_errno(), EINVAL);
}

TYPED_TEST(TailCallTest, EntriesOutliveTheirHandles) {
  {
    auto more = LoadCollection(this->backend_, std::string(STRATA_BPF_TAIL_CALLS), {.programs = {"return_seven"}});
    ASSERT_TRUE(this->Targets().Update(2, **more->FindProgram("return_seven")));
  }
  EXPECT_EQ(this->Run("call_constant"), 7);
}

TYPED_TEST(TailCallTest, ProgramsKeepTheArraysThatTheyUse) {
  const Program caller = this->Find("call_constant").Clone();
  const Context context;
  this->Put(2, "return_seven");
  this->objects_.reset();
  EXPECT_EQ(caller.TestRun({.context_in = std::as_bytes(std::span(&context, 1))})->return_value, 7U);
}

TYPED_TEST(TailCallTest, ProgramsInAnArrayThatTheyUseDoNotKeepOneAnother) {
  this->Put(2, "repeat");
  this->Put(3, "call_constant");
  EXPECT_EQ(this->Run("call_index", {.index = 2}), 33);
  const std::uint32_t id = this->Find("repeat").info().id;
  // Not by a listing, which opens maps too: Linux 6.18 forgets a reference of an array that gets a user again while
  // what it holds is about to be dropped (prog_array_map_clear of kernel/bpf/arraymap.c).
  const auto is_there = [&] { return this->backend_->OpenProgram(id).has_value(); };
  EXPECT_TRUE(is_there());
  this->objects_.reset();
  // The kernel does it in the background.
  for (int i = 0; i < 5000 && is_there(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_FALSE(is_there());
}

TYPED_TEST(TailCallTest, CreationChecksSizesAndFlags) {
  const auto error = [&](std::uint32_t key_size, std::uint32_t value_size, std::uint32_t entries, std::uint32_t flags) {
    MapSpec spec;
    spec.name = "array";
    spec.type = MapType::kProgArray;
    spec.key_size = key_size;
    spec.value_size = value_size;
    spec.max_entries = entries;
    spec.flags = flags;
    auto made = this->backend_->CreateMap(spec, nullptr);
    return made ? 0 : made.error().sys_errno();
  };
  EXPECT_EQ(error(4, 4, 1, 0), 0);
  EXPECT_EQ(error(4, 8, 1, 0), EINVAL);
  EXPECT_EQ(error(8, 4, 1, 0), EINVAL);
  EXPECT_EQ(error(4, 4, 0, 0), EINVAL);
  for (const std::uint32_t flag : {map_flags::kMmapable, map_flags::kInnerMap, map_flags::kReadOnlyProgram,
                                   map_flags::kWriteOnlyProgram, map_flags::kNoPrealloc}) {
    EXPECT_EQ(error(4, 4, 1, flag), EINVAL) << flag;
  }
  EXPECT_EQ(error(4, 4, 1, map_flags::kReadOnly), 0);
}

TYPED_TEST(TailCallTest, BytesAreNoPrograms) {
  const Map array = this->CreateMap(MapType::kProgArray, 4, 4, 3);
  const auto update = [&](std::uint32_t index, UpdateMode mode) {
    const std::int32_t descriptor = -1;
    return array.backend_map()
        ->Update(std::as_bytes(std::span(&index, 1)), std::as_bytes(std::span(&descriptor, 1)), mode)
        .error()
        .sys_errno();
  };
  EXPECT_EQ(update(0, UpdateMode::kAny), EBADF);
  EXPECT_EQ(update(3, UpdateMode::kAny), E2BIG);
  EXPECT_EQ(update(0, UpdateMode::kNoExist), EINVAL);
  EXPECT_EQ(update(3, UpdateMode::kExist), EINVAL);
}

// --- what the verifier says
template <typename T>
class TailCallLoadTest : public BackendTest<T> {
 protected:
  Result<Collection> Load(const std::string& program) {
    return LoadCollection(this->backend_, std::string(STRATA_BPF_TAIL_CALLS_REFUSED), {.programs = {program}});
  }
};
TYPED_TEST_SUITE(TailCallLoadTest, BackendKinds, BackendNames);

TYPED_TEST(TailCallLoadTest, FunctionsBelowDeepStacksMakeNone) {
  EXPECT_TRUE(this->Load("shallow_stack")) << this->Load("shallow_stack").error().message();
  const auto deep = this->Load("deep_stack");
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().code(), ErrorCode::kVerifierRejected);
  EXPECT_THAT(deep.error().message() + std::string(deep.error().log()),
              ::testing::HasSubstr("tail_calls are not allowed when call stack of previous frames is"));
}

TYPED_TEST(TailCallLoadTest, CallbacksMakeNone) {
  const auto loaded = this->Load("from_callback");
  EXPECT_FALSE(loaded);
}

}  // namespace
}  // namespace strata
