#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "strata/base/shared_list.h"
#include "strata/base/shared_string.h"

namespace strata {
namespace {

TEST(SharedList, CopiesShareTheirStorage) {
  const SharedList<int> list = {1, 2, 3};
  const SharedList<int> copy = list;
  EXPECT_EQ(copy.data(), list.data());
  EXPECT_EQ(copy, list);
}

TEST(SharedList, ChangesOfOneLeaveTheOther) {
  SharedList<int> list = {1, 2, 3};
  const SharedList<int> copy = list;
  auto values = list.ToVector();
  values[0] = 9;
  list = std::move(values);
  EXPECT_EQ(list[0], 9);
  EXPECT_EQ(copy[0], 1);
  EXPECT_FALSE(copy == list);
}

TEST(SharedList, MayBeAPartThatItsOwnerKeepsAlive) {
  auto owner = std::make_shared<const std::vector<int>>(std::vector{1, 2, 3, 4});
  SharedList<int> list(owner, std::span(*owner).subspan(1, 2));
  const std::weak_ptr<const std::vector<int>> alive = owner;
  owner.reset();
  EXPECT_EQ(list, (SharedList<int>{2, 3}));
  list.clear();
  EXPECT_TRUE(list.empty());
  EXPECT_TRUE(alive.expired());
}

TEST(SharedString, ReadsAndComparesLikeAnyOther) {
  const SharedString text = "counts";
  EXPECT_EQ(text, "counts");
  EXPECT_EQ(text, std::string("counts"));
  EXPECT_EQ(text, SharedString(std::string_view("counts")));
  EXPECT_NE(text, SharedString());
  EXPECT_LT(SharedString("a"), SharedString("b"));
  EXPECT_TRUE(SharedString("").empty());
  const std::map<std::string, int, std::less<>> numbers = {{"counts", 7}};
  EXPECT_EQ(numbers.find(text)->second, 7);
}

TEST(SharedString, CopiesShareTheirText) {
  SharedString text = "a name that is longer than a pointer";
  const SharedString copy = text;
  EXPECT_EQ(copy.view().data(), text.view().data());
  text = "another";
  EXPECT_EQ(copy, "a name that is longer than a pointer");
  EXPECT_EQ(sizeof(SharedString), sizeof(void*));
}

TEST(SharedString, MayBeCopiedByManyThreads) {
  const SharedString text = "counts";
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&text] {
      for (int round = 0; round < 10000; ++round) {
        const SharedString copy = text;
        EXPECT_EQ(copy.size(), 6U);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(text, "counts");
}

}  // namespace
}  // namespace strata
