#include "strata/base/similar_name.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

std::string Suggest(std::string_view wanted, std::initializer_list<std::string_view> candidates) {
  SimilarName similar(wanted);
  for (const std::string_view candidate : candidates) similar.Offer(candidate);
  return similar.Hint();
}

TEST(SimilarName, IsTheOneWithTheFewestChanges) {
  EXPECT_EQ(Suggest("sys_entre", {"sys_exit", "sys_enter", "sys_entry_x"}), " (there is sys_enter)");
  EXPECT_EQ(Suggest("malloc", {"mallox", "malloc_usable_size"}), " (there is mallox)");
}

TEST(SimilarName, OfEqualsIsTheFirstInTheAlphabet) {
  EXPECT_EQ(Suggest("vfs_reed", {"vfs_rees", "vfs_read", "vfs_reef"}), " (there is vfs_read)");
}

TEST(SimilarName, IsNoneWhereNothingIsSimilar) {
  EXPECT_EQ(Suggest("tcp_connect", {"vfs_read", "do_exit"}), "");
  EXPECT_EQ(Suggest("ab", {"cd"}), "");
  EXPECT_EQ(Suggest("", {"abc"}), "");
  EXPECT_EQ(Suggest("abc", {}), "");
}

}  // namespace
}  // namespace strata
