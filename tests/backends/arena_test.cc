// Programs and user space share lists, globals and pages in an arena; on the engines of userspace as in the kernel.
#include <cerrno>

#include "objects_fixture.h"
#include "strata/isa/opcode.h"

namespace strata {
namespace {

using strata::testing::EngineKinds;
using strata::testing::EngineNames;
using ::testing::ElementsAre;

struct Node {
  const Node* next;
  std::int64_t value;
};

template <typename T>
class ArenaTest : public strata::testing::EngineTest<T> {
 protected:
  void SetUp() override {
    strata::testing::EngineTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    Load(STRATA_BPF_BACKENDS_ARENA);
  }
  void Load(const char* path) {
    objects_.reset();
    auto objects = LoadCollection(this->backend_, std::string(path));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }
  std::uint32_t Run(const char* program) { return (*objects_->FindProgram(program))->TestRun({}).value().return_value; }
  std::vector<std::int64_t> Results(std::uint32_t count) {
    auto results = objects_->template FindMap<Array<std::int64_t>>("results").value();
    std::vector<std::int64_t> values;
    for (std::uint32_t i = 0; i < count; ++i) values.push_back(**results.Lookup(i));
    return values;
  }

  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(ArenaTest, EngineKinds, EngineNames);

TYPED_TEST(ArenaTest, UserSpaceWalksAListOfPrograms) {
  ASSERT_EQ(this->Run("build"), 2U);
  std::vector<std::int64_t> values;
  const auto head = this->objects_->FindVariable("head").value();
  for (const Node* node = head.template Get<const Node*>().value(); node != nullptr; node = node->next)
    values.push_back(node->value);
  EXPECT_THAT(values, ElementsAre(21, 18, 15, 12, 9, 6, 3, 0));
  EXPECT_EQ(this->Run("sum"), 84U);
}

TYPED_TEST(ArenaTest, ProgramsThatReadTheirTaskWalkListsToo) {
  ASSERT_EQ(this->Run("build"), 2U);
  ASSERT_EQ(this->Run("sum_beside_task"), 84U);
  EXPECT_THAT(this->Results(2), ElementsAre(23, 1));
}

TYPED_TEST(ArenaTest, ProgramsWalkAListOfUserSpace) {
  Node last{nullptr, 5};
  auto step = this->objects_->FindVariable("step").value();
  EXPECT_EQ(step.template Get<std::int64_t>().value(), 3);
  // Untouched until now: user space gets a page when it touches one, and programs then have it.
  std::byte* page = step.bytes().data() - reinterpret_cast<std::uintptr_t>(step.bytes().data()) % 4096 + 5 * 4096;
  auto* nodes = reinterpret_cast<Node*>(page);
  nodes[0] = {&nodes[1], 100};
  nodes[1] = last;
  ASSERT_TRUE(this->objects_->FindVariable("head")->Set(static_cast<const Node*>(nodes)));
  EXPECT_EQ(this->Run("sum"), 105U);
}

TYPED_TEST(ArenaTest, PagesThatAreNotThereAreZeroAndStayAway) {
  ASSERT_EQ(this->Run("faults"), 3U);
  EXPECT_THAT(this->Results(11), ElementsAre(7, 0, 0, 5, 0, 0, 1, 0, 1, 6, 0));
}

// Compiled code reaches the pages in ways that depend on where user space has them and how many there are.
TYPED_TEST(ArenaTest, AccessesReachItWhereverItLies) {
  struct Place {
    std::uint64_t address;
    std::uint32_t pages;
  };
  constexpr std::uint64_t kUpper = std::uint64_t{0x5000} << 32;
  constexpr Place kPlaces[] = {{kUpper | 0x10000, 16},     {kUpper | 0x10000, 19},          {kUpper | 0x7fff0000, 16},
                               {kUpper | 0x80000000, 16},  {kUpper | 0xfff00000, 19},       {kUpper | 0x1000, 1 << 19},
                               {kUpper | 0x1000, 1 << 18}, {kUpper | 0x1000, (1 << 20) - 1}};
  for (const Place& place : kPlaces) {
    SCOPED_TRACE(::testing::Message() << std::hex << place.address << std::dec << ", pages " << place.pages);
    this->objects_.reset();
    auto spec = LoadCollectionSpec(STRATA_BPF_BACKENDS_ARENA).value();
    MapSpec& arena = spec.maps.at("arena");
    arena.map_extra = place.address;
    arena.max_entries = place.pages;
    auto loaded = LoadCollection(this->backend_, std::move(spec));
    ASSERT_TRUE(loaded) << loaded.error().message() << loaded.error().log();
    this->objects_.emplace(*std::move(loaded));
    ASSERT_EQ(this->Run("build"), 2U);
    EXPECT_EQ(this->Run("sum"), 84U);
    ASSERT_EQ(this->Run("faults"), 3U);
    EXPECT_THAT(this->Results(11), ElementsAre(7, 0, 0, 5, 0, 0, 1, 0, 1, 6, 0));
    ASSERT_EQ(this->Run("accesses"), 5U);
    EXPECT_THAT(this->Results(7), ElementsAre(5, 7, 9, 11, 0, -3, -9));
  }
}

TYPED_TEST(ArenaTest, AllocatorRefusesWhatTheKernelRefuses) {
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(this->Run("refusals"), 4U);
    EXPECT_THAT(this->Results(10), ElementsAre(1, 1, 1, 1, 1, 1, 1, 1, 1, 1));
  }
}

TYPED_TEST(ArenaTest, AccessesOfAllKindsReachIt) {
  ASSERT_EQ(this->Run("accesses"), 5U);
  EXPECT_THAT(this->Results(7), ElementsAre(5, 7, 9, 11, 0, -3, -9));
}

TYPED_TEST(ArenaTest, AtomicAccessesAreReadBackAsTheyWereWritten) {
  if (this->backend_->runs_in_kernel()) return;  // it shows opcodes of its own
  const auto code = (*this->objects_->FindProgram("accesses"))->Code().value().instructions;
  std::vector<std::int32_t> operations;
  for (std::size_t i = 0; i < code.size(); i += isa::SlotCount(code[i])) {
    if (isa::FindOpcode(code[i].opcode)->form != isa::OperandForm::kAtomic) continue;
    operations.push_back(code[i].imm);
  }
  EXPECT_THAT(operations, ElementsAre(0x01, 0xf1, 0xe1));  // fetch_add, cmpxchg, xchg
}

TYPED_TEST(ArenaTest, FetchesThatTheKernelLacksWorkInUserspace) {
  if (this->backend_->runs_in_kernel()) return;  // its compiler has no such access
  this->Load(STRATA_BPF_BACKENDS_ARENA_FETCHES);
  ASSERT_EQ(this->Run("accesses"), 5U);
  EXPECT_THAT(this->Results(10), ElementsAre(5, 7, 9, 11, 1, -3, -9, 0, 6, 4));
}

}  // namespace
}  // namespace strata
