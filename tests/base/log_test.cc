#include "strata/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace strata {
namespace {

TEST(Log, IsSilentWithoutASinkAndReachesTheOneThatIsSet) {
  std::vector<std::string> lines;
  Log(LogLevel::kWarning, "before");
  SetLogSink([&](LogLevel, std::string_view message) { lines.emplace_back(message); });
  Log(LogLevel::kInfo, "during");
  SetLogSink({});
  Log(LogLevel::kInfo, "after");
  EXPECT_THAT(lines, testing::ElementsAre("during"));
}

}  // namespace
}  // namespace strata
