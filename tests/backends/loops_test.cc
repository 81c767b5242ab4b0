// bpf_loop and bpf_for_each_map_elem: counts, limits, flags, nesting, and elements deleted while they are walked over.
#include <cerrno>

#include "program_results.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::ResultsTest;
using ::testing::ElementsAre;

template <typename T>
class LoopsTest : public ResultsTest<T> {
 protected:
  LoopsTest() : ResultsTest<T>(STRATA_BPF_LOOPS) {}
};
TYPED_TEST_SUITE(LoopsTest, BackendKinds, BackendNames);

TYPED_TEST(LoopsTest, CountIterationsAndRefuseTooMany) {
  EXPECT_EQ(this->Run("loops"), 3U);
  EXPECT_THAT(this->Results(9), ElementsAre(10, 45, 0, -EINVAL, -E2BIG, -EINVAL, 5, 100, 4500));
}

TYPED_TEST(LoopsTest, TheLongestOneFinishes) {
  constexpr std::int64_t kLongest = 1 << 23;
  EXPECT_EQ(this->Run("longest_loop"), 4U);
  EXPECT_THAT(this->Results(3), ElementsAre(kLongest, kLongest * (kLongest - 1) / 2, 1000));
}

TYPED_TEST(LoopsTest, WalksVisitEachElementOnce) {
  auto numbers = this->objects_->template FindMap<Array<std::uint64_t>>("numbers").value();
  for (std::uint32_t i = 0; i < 5; ++i) ASSERT_TRUE(numbers.Update(i, i));
  EXPECT_EQ(this->Run("walks"), 5U);
  EXPECT_THAT(this->Results(15), ElementsAre(5, 1010, -EINVAL, 3, 0,  // arrays; nothing in the hash yet
                                             6, 1515, 6, 3, 3,        // a hash, emptied by half under way
                                             2, 101, 3, 5, 25));      // per-CPU kinds, nesting
}

}  // namespace
}  // namespace strata
