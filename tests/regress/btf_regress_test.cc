#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/btf/btf.h"
#include "support/elf_writer.h"

namespace strata::btf {
namespace {

// Offset 0 is the name of every type without one, so that void itself got a name.
TEST(BtfRegression, RefusesStringsThatDoNotStartWithAnEmptyOne) {
  auto bytes = test::BtfWriter().Bytes();
  ASSERT_EQ(bytes.back(), std::byte{0});  // the only string
  bytes.back() = std::byte{'x'};
  bytes.push_back(std::byte{0});
  bytes[20] = std::byte{2};  // length of the strings
  const auto types = Btf::Parse(bytes);
  ASSERT_FALSE(types.has_value());
  EXPECT_THAT(types.error().message(), testing::HasSubstr("strings: the first one is not empty"));
}

}  // namespace
}  // namespace strata::btf
