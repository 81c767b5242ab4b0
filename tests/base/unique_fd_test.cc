#include "strata/base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

namespace strata {
namespace {

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFd, ClosesWhatItOwns) {
  int number = -1;
  {
    const UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    number = fd.get();
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(UniqueFd, MoveLeavesNothingBehind) {
  UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT: the moved-from state is what is tested
  EXPECT_TRUE(IsOpen(second.get()));
}

TEST(UniqueFd, CloneIsAnotherCloseOnExecDescriptor) {
  const UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto clone = fd.Clone();
  ASSERT_TRUE(clone);
  EXPECT_NE(clone->get(), fd.get());
  EXPECT_EQ(::fcntl(clone->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(UniqueFd, ClosingKeepsErrno) {
  UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  errno = E2BIG;
  fd.Reset();
  EXPECT_EQ(errno, E2BIG);
}

}  // namespace
}  // namespace strata
