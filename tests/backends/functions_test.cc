// Functions that programs call by name: kfuncs in the kernel, the runtime's own in userspace.
#include <cerrno>

#include "program_results.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::ResultsTest;
using ::testing::ElementsAre;

template <typename T>
class FunctionsTest : public ResultsTest<T> {
 protected:
  FunctionsTest() : ResultsTest<T>(STRATA_BPF_FUNCTIONS) {}
};
TYPED_TEST_SUITE(FunctionsTest, BackendKinds, BackendNames);

TYPED_TEST(FunctionsTest, NumbersAreIteratedWithinTheKernelsLimits) {
  EXPECT_EQ(this->Run("iterate"), 6U);
  EXPECT_THAT(this->Results(12),
              ElementsAre(45, 0, -3, 0, 0, 0,                         // ranges, one of them empty
                          0, -EINVAL, 0, -E2BIG, -2147483648LL, 0));  // backwards, too long, smallest
}

TYPED_TEST(FunctionsTest, DynptrsAreCutAndCopied) {
  EXPECT_EQ(this->Run("dynptrs"), 7U);
  EXPECT_THAT(this->Results(13), ElementsAre(0, 0, 64, 0, 0, 16, 64, -EINVAL, -ERANGE, -ERANGE, 77, 77, 1));
}

TYPED_TEST(FunctionsTest, NullDynptrsAreRefused) {
  EXPECT_EQ(this->Run("null_dynptrs"), 8U);
  EXPECT_THAT(this->Results(6), ElementsAre(1, 0, -EINVAL, -EINVAL, 1, -EINVAL));
}

TYPED_TEST(FunctionsTest, AWeakOneThatDoesNotExistIsNotCalled) {
  EXPECT_EQ(this->Run("others"), 9U);
  EXPECT_THAT(this->Results(2), ElementsAre(1, 0));
}

}  // namespace
}  // namespace strata
