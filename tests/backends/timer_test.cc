// Timers in values of maps: what they return, and when their callbacks run.
#include <cerrno>
#include <chrono>
#include <thread>

#include "program_results.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::ResultsTest;
using ::testing::Each;
using ::testing::ElementsAre;

struct Element {
  std::uint64_t fired;
  std::uint64_t timer[2];
  std::uint64_t key;
};

template <typename T>
class TimerTest : public ResultsTest<T> {
 protected:
  TimerTest() : ResultsTest<T>(STRATA_BPF_TIMERS) {}

  Array<Element> Timers() { return this->objects_->template FindMap<Array<Element>>("timers").value(); }
  HashMap<std::uint32_t, Element> Keyed() {
    return this->objects_->template FindMap<HashMap<std::uint32_t, Element>>("keyed").value();
  }
  // Gives up after ten seconds.
  static bool WaitFor(const std::function<bool()>& condition) {
    for (int i = 0; i < 10'000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return condition();
  }
};
TYPED_TEST_SUITE(TimerTest, BackendKinds, BackendNames);

TYPED_TEST(TimerTest, FiresOnceWithItsKeyAndValue) {
  this->Run("fire");
  EXPECT_THAT(this->Results(3), ElementsAre(0, 0, 0));
  auto timers = this->Timers();
  ASSERT_TRUE(this->WaitFor([&] { return timers.Lookup(2).value()->fired != 0; }));
  const Element element = timers.Lookup(2).value().value();
  EXPECT_EQ(element.key, 2U);
  EXPECT_EQ(element.fired, 1U);
  EXPECT_THAT(element.timer, Each(0U)) << "user space sees no timer";
}

TYPED_TEST(TimerTest, FiresAtAnAbsoluteTime) {
  this->Run("fire_absolute");
  EXPECT_THAT(this->Results(3), ElementsAre(0, 0, 0));
  auto timers = this->Timers();
  EXPECT_TRUE(this->WaitFor([&] { return timers.Lookup(1).value()->fired == 1; }));
}

TYPED_TEST(TimerTest, CallbacksMayStartTheirTimerAndNotCancelIt) {
  this->Run("fire_repeatedly");
  auto timers = this->Timers();
  ASSERT_TRUE(this->WaitFor([&] { return timers.Lookup(3).value()->fired == 3; }));
  EXPECT_EQ(this->Results(11)[10], -EDEADLK);
}

TYPED_TEST(TimerTest, EachMisuseHasItsErrno) {
  this->Run("refusals");
  EXPECT_THAT(this->Results(15), ElementsAre(-EINVAL, -EINVAL, -EINVAL,    // not initialized
                                             -EINVAL, -EINVAL, 0, -EBUSY,  // clocks
                                             -EINVAL, 0, -EINVAL,          // no callback, unknown flag
                                             0, -EINVAL, 0, 0, 1));        // cancelled: the callback is gone too
}

TYPED_TEST(TimerTest, CallbacksMayDeleteTheirElement) {
  this->Run("fire_keyed");
  EXPECT_THAT(this->Results(8), Each(0));
  auto keyed = this->Keyed();
  ASSERT_TRUE(this->WaitFor([&] {
    const auto all = keyed.Snapshot().value();
    return all.size() == 4 && std::all_of(all.begin(), all.end(), [](const auto& e) { return e.second.fired == 1; });
  }));
  const auto left = keyed.Snapshot().value();
  for (const auto& [key, element] : left) EXPECT_EQ(element.key, key);
  EXPECT_EQ(this->Results(12)[11], 0);
  this->Run("fire_keyed");
  EXPECT_THAT(this->Results(8), Each(0)) << "as many timers as elements, again and again";
}

TYPED_TEST(TimerTest, DeletedAndOverwrittenElementsFireNoMore) {
  this->Run("fire_later");
  auto keyed = this->Keyed();
  auto timers = this->Timers();
  EXPECT_TRUE(keyed.Delete(5).value());
  ASSERT_TRUE(keyed.Update(5, Element{100, {}, 0}));
  ASSERT_TRUE(timers.Update(1, Element{100, {7, 7}, 0}));
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  EXPECT_EQ(keyed.Lookup(5).value()->fired, 100U);
  EXPECT_EQ(timers.Lookup(1).value()->fired, 100U);
  EXPECT_THAT(timers.Lookup(1).value()->timer, Each(0U));
  this->Run("fire_later");
  EXPECT_THAT(this->Results(2), ElementsAre(0, 0)) << "both have no timer any more";
  ASSERT_TRUE(keyed.Update(5, Element{200, {}, 0}));
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  EXPECT_EQ(keyed.Lookup(5).value()->fired, 200U);
}

TYPED_TEST(TimerTest, InMapsOfMapsTheyAreTheKernels) {
  CollectionSpec spec = LoadCollectionSpec(std::string(STRATA_BPF_TIMERS)).value();
  MapSpec outer;
  outer.name = "outer";
  outer.type = MapType::kArrayOfMaps;
  outer.key_size = outer.value_size = 4;
  outer.max_entries = 1;
  outer.inner = {spec.maps.at("timers")};
  spec.maps.emplace("outer", outer);
  const auto loaded = LoadCollection(this->backend_, spec);
  EXPECT_EQ(loaded.has_value(), this->backend_->runs_in_kernel());
  if (loaded) return;
  EXPECT_EQ(loaded.error().code(), ErrorCode::kNotSupported);
  EXPECT_EQ(loaded.error().sys_errno(), EOPNOTSUPP);
  EXPECT_THAT(loaded.error().message(), ::testing::HasSubstr("map outer: timers in the values of maps in it"));
}

TYPED_TEST(TimerTest, MapsWithTimersAreNotFrozen) {
  const auto frozen = (*this->objects_->FindMap("timers"))->Freeze();
  ASSERT_FALSE(frozen);
  EXPECT_EQ(frozen.error().sys_errno(), 524);
}

}  // namespace
}  // namespace strata
