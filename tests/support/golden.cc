#include "golden.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace strata::test {

void ExpectGolden(const std::string& text, const std::string& path) {
  if (std::getenv("STRATA_REWRITE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ostringstream expected;
  expected << std::ifstream(path).rdbuf();
  EXPECT_EQ(text, expected.str()) << path << "; STRATA_REWRITE_GOLDEN=1 writes it anew";
}

}  // namespace strata::test
