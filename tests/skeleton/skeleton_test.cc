#include <unistd.h>

#include <atomic>
#include <optional>
#include <string_view>

#include "backends/fixture.h"
#include "backends/targets.h"
#include "linked.skel.h"
#include "rich.skel.h"

namespace strata::testing {
namespace {

using ::tests::bpf::rich;
namespace types = ::tests::bpf::rich_types;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

static_assert(MapElement<types::key> && MapElement<types::stamp> && MapElement<types::flags>);
static_assert(std::is_same_v<decltype(rich::Maps::by_key), HashMap<types::key, types::stamp>>);
static_assert(!MapElement<types::either>, "its members have different sizes");
static_assert(std::is_same_v<decltype(rich::Bss::matches), std::uint64_t&>);
static_assert(std::is_same_v<decltype(rich::Rodata::wanted), const std::int32_t&>);
static_assert(std::is_same_v<decltype(rich::Spec::Rodata::wanted), std::int32_t&>);
static_assert(std::is_move_assignable_v<rich> && !std::is_copy_constructible_v<rich>);

TEST(Skeleton, HoldsTheObject) {
  const auto spec = rich::Open().value();
  EXPECT_EQ(spec.collection().name, "rich");
  EXPECT_EQ(spec.collection(), strata::internal::OpenSkeleton("rich", rich::object(), {}).value());
}

TEST(Skeleton, HoldsSeveralSourcesLinkedToOneObject) {
  auto spec = linked::Open().value();
  EXPECT_EQ(spec.rodata().target, 7);
  EXPECT_EQ(spec.programs().first.section_name, "socket");
  EXPECT_EQ(spec.maps().events.type, MapType::kHash);
  EXPECT_EQ(spec.collection().externs.count("add"), 0U);
}

TEST(Skeleton, ReadsAndChangesTheSpecByMembers) {
  auto spec = rich::Open().value();
  EXPECT_EQ(spec.rodata().wanted, 7);
  EXPECT_EQ(spec.rodata().chosen.namespace_, 3U);
  EXPECT_EQ(std::string_view(spec.rodata().label.data()), "none");
  EXPECT_EQ(spec.data_counters().counters[0], 1U);
  const types::squeezed shape = spec.data().shape;
  EXPECT_EQ(shape.second, 2U);
  spec.rodata().wanted = -9;
  spec.rodata().chosen.operator_[1] = 4;
  spec.maps().by_key.max_entries = 2;
  spec.programs().on_call.autoload = false;
  const auto copy = spec.collection();
  EXPECT_EQ(copy.GetVariable<int>("wanted").value(), -9);
  EXPECT_EQ(copy.maps.at("by_key").max_entries, 2U);
  EXPECT_FALSE(copy.programs.at("on_call").autoload);
  EXPECT_EQ(std::move(spec).Release(), copy);
}

TEST(Skeleton, RefusesAnObjectWithoutItsMembers) {
  constexpr std::string_view kMissing[] = {"no_such_map"};
  const auto no_map = strata::internal::OpenSkeleton("rich", rich::object(), {.maps = kMissing});
  ASSERT_FALSE(no_map);
  EXPECT_EQ(no_map.error().code(), ErrorCode::kMalformed);
  EXPECT_THAT(no_map.error().message(), HasSubstr("no_such_map"));
  constexpr strata::internal::SkeletonVariable kLarger[] = {{"wanted", 8}};
  const auto other_size = strata::internal::OpenSkeleton("rich", rich::object(), {.variables = kLarger});
  ASSERT_FALSE(other_size);
  EXPECT_THAT(other_size.error().message(), HasSubstr("wanted has 4 bytes, 8 in the skeleton"));
}

template <typename Kind>
class SkeletonTest : public BackendTest<Kind> {
 protected:
  void SetUp() override {
    BackendTest<Kind>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto spec = rich::Open().value();
    spec.rodata().wanted = 42;
    spec.rodata().label = {'x'};
    spec.bss().is_on = true;
    objects_.emplace(std::move(spec).Load(this->backend_).value());
    const auto own = OpenExecutable("/proc/self/exe").value();
    link_.emplace(own.AttachUprobe("strata_test_add", *objects_->programs().on_call, {.pid = ::getpid()}).value());
  }
  void TearDown() override {
    link_.reset();
    objects_.reset();
    BackendTest<Kind>::TearDown();
  }

  std::optional<rich> objects_;
  std::optional<Link> link_;
};
TYPED_TEST_SUITE(SkeletonTest, BackendKinds, BackendNames);

TYPED_TEST(SkeletonTest, SharesVariablesWithPrograms) {
  strata_test_add(42, 0, 0);
  strata_test_add(41, 0, 0);
  const auto& bss = this->objects_->bss();
  EXPECT_EQ(std::atomic_ref(bss.matches).load(), 1U);
  EXPECT_EQ(bss.seen, types::GREEN);
  EXPECT_EQ(bss.hidden, 2U);
  EXPECT_EQ(this->objects_->bss_more().delete_.inside, static_cast<std::uint32_t>('x'));
  EXPECT_THAT(this->objects_->data_counters().counters, ElementsAre(1, 6, 0, 0));
  EXPECT_EQ(this->objects_->rodata().wanted, 42);
  this->objects_->data().factor = 10;
  strata_test_add(5, 0, 0);
  EXPECT_EQ(this->objects_->maps().by_key.Snapshot().value().size(), 3U);
}

TYPED_TEST(SkeletonTest, LaysStructsOutAsProgramsDo) {
  strata_test_add(6, 0, 0);
  const types::event& newest = this->objects_->bss().newest;
  EXPECT_EQ(newest.flags.high, 100U);
  EXPECT_EQ(newest.flags.far, 0xff12345678U);
  EXPECT_EQ(newest.flags.low, 0U);
  const std::uint64_t second = newest.squeezed.second;
  EXPECT_EQ(second, 6U);
  EXPECT_EQ(static_cast<int>(newest.inner[1].kind), 1);
  EXPECT_EQ(newest.to, 77U);
}

TYPED_TEST(SkeletonTest, FindsElementsByTypedKeys) {
  strata_test_add(12, 0, 0);
  auto& maps = this->objects_->maps();
  types::key key;  // its padding is zero
  key.new_ = 0;
  key.namespace_ = 12;
  key.errno_ = 0;
  key.id_t__ = 0;
  key.operator_[0] = 1;
  key.operator_[1] = 2;
  key.operator_[2] = 3;
  const auto found = maps.by_key.Lookup(key).value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, 9);
  EXPECT_EQ(found->at, 36U);
  std::uint64_t calls = 0;
  const std::vector<std::uint64_t> per_cpu = maps.calls.Lookup(0).value().value();
  for (const std::uint64_t count : per_cpu) calls += count;
  EXPECT_EQ(calls, 1U);
}

TYPED_TEST(SkeletonTest, KeepsValuesThatAreNoMapElementsAsBytes) {
  auto& by_name = this->objects_->maps().by_name;
  const std::array<char, 16> name = {'a', 'b'};
  ASSERT_TRUE(by_name.Update(name, types::either{.whole = 0x01020304}));
  const types::either value = by_name.Lookup(name).value().value();
  EXPECT_EQ(value.part, 4);
  auto& last = this->objects_->maps().last_events;
  types::event event{};
  event.ratio = 0.5F;
  ASSERT_TRUE(last.Update(1, event));
  EXPECT_EQ(last.Lookup(1).value()->Get().ratio, 0.5F);
}

TYPED_TEST(SkeletonTest, KeepsPerCpuValuesOfAnonymousStructs) {
  auto& by_color = this->objects_->maps().by_color;
  std::vector<types::by_color_value> values(this->backend_->possible_cpus());
  values[0].count = 5;
  values[0].newest = 6;
  ASSERT_TRUE(by_color.Update(types::GREEN, values));
  const auto found = by_color.Lookup(types::GREEN).value().value();
  EXPECT_EQ(found[0].count, 5U);
  EXPECT_EQ(found[0].newest, 6U);
}

TYPED_TEST(SkeletonTest, HandsOverTypedRecords) {
  auto reader = this->objects_->maps().events.OpenReader().value();
  strata_test_add(17, 0, 0);
  strata_test_add(18, 0, 0);
  std::vector<std::uint32_t> seen;
  const auto first = reader.Consume([&](const types::event& event) {
    seen.push_back(event.key.namespace_);
    EXPECT_EQ(event.flags.low, 5U);
    EXPECT_EQ(event.color, types::class_);
    EXPECT_EQ(event.stamp.at, 3U);
    EXPECT_TRUE(event.done);
    return false;
  });
  EXPECT_EQ(first.value(), 1U);
  const auto second = reader.Consume([&](const types::event& event, std::span<const std::byte> bytes) {
    seen.push_back(event.key.namespace_);
    EXPECT_EQ(bytes.size(), sizeof(types::event));
  });
  EXPECT_EQ(second.value(), 1U);
  EXPECT_THAT(seen, ElementsAre(17, 18));
}

TYPED_TEST(SkeletonTest, RefusesRecordsThatAreShorterThanTheirType) {
  using Longer = std::array<std::uint64_t, 40>;
  auto* ring = this->objects_->collection().FindMap("events").value();
  auto reader = TypedRingReader<Longer>::Open(*ring).value();
  strata_test_add(17, 0, 0);
  const auto consumed = reader.Consume([](const Longer&) { FAIL() << "no such record"; });
  ASSERT_FALSE(consumed);
  EXPECT_EQ(consumed.error().code(), ErrorCode::kMalformed);
  EXPECT_THAT(consumed.error().message(), HasSubstr("a record has 160 bytes"));
}

TYPED_TEST(SkeletonTest, StaysWholeWhenItIsMoved) {
  rich moved = *std::exchange(this->objects_, std::nullopt);
  strata_test_add(42, 0, 0);
  EXPECT_EQ(moved.bss().matches, 1U);
  EXPECT_EQ(moved.programs().on_call->name(), "on_call");
  EXPECT_EQ(moved.maps().untyped->name(), "untyped");
  this->objects_.emplace(std::move(moved));
}

}  // namespace
}  // namespace strata::testing
