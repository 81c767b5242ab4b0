#include "possible_cpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace strata::kernel {
namespace {

using ::testing::ElementsAre;

TEST(PossibleCpus, ListsMayHaveHoles) {
  EXPECT_THAT(ParseCpuList("0", "list").value(), ElementsAre(0));
  EXPECT_THAT(ParseCpuList("0-2,5,8-9", "list").value(), ElementsAre(0, 1, 2, 5, 8, 9));
}

TEST(PossibleCpus, RefusesWhatIsNoList) {
  for (const char* text : {"", "a", "1-", "-1", "3-1", "1,", "1;2", "99999999999", "0-99999999"}) {
    EXPECT_FALSE(ParseCpuList(text, "list")) << text;
  }
}

TEST(PossibleCpus, ThisMachineHasOneAtLeast) { EXPECT_GE(CountPossibleCpus().value(), 1U); }

}  // namespace
}  // namespace strata::kernel
