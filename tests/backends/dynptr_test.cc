// Dynamic pointers: each check and errno as the kernel has it.
#include <cerrno>
#include <cstring>
#include <random>

#include "program_results.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::ResultsTest;
using ::testing::ElementsAre;

template <typename T>
class DynptrTest : public ResultsTest<T> {
 protected:
  DynptrTest() : ResultsTest<T>(STRATA_BPF_DYNPTR) {}
};
TYPED_TEST_SUITE(DynptrTest, BackendKinds, BackendNames);

TYPED_TEST(DynptrTest, LocalMemoryIsReadAndWrittenWithinBounds) {
  this->Run("local_memory");
  EXPECT_THAT(this->Results(15), ElementsAre(0, 0, -E2BIG, -E2BIG, -EINVAL, -E2BIG,  // writes
                                             0, 0x01020304, -E2BIG, -EINVAL, 0, 0,   // reads
                                             4, 1, 9));                              // addresses
}

TYPED_TEST(DynptrTest, UnknownFlagsLeaveANullPointer) {
  this->Run("refused_memory");
  EXPECT_THAT(this->Results(4), ElementsAre(-EINVAL, -EINVAL, -EINVAL, 1));
}

TYPED_TEST(DynptrTest, RecordsAreFilledAndSubmitted) {
  this->Run("ring_records");
  EXPECT_THAT(this->Results(6), ElementsAre(0, 0, 0, -E2BIG, 0, 24 + 16));
  auto ring = RingReader::Open(**this->objects_->FindMap("ring"));
  ASSERT_TRUE(ring) << ring.error().message();
  std::vector<std::uint64_t> words;
  const auto collect = [&](std::span<const std::byte> record) {
    words.resize(record.size() / 8);
    std::memcpy(words.data(), record.data(), words.size() * 8);
    return true;
  };
  EXPECT_EQ(ring->Consume(collect).value(), 1U) << "the discarded record is not delivered";
  EXPECT_THAT(words, ElementsAre(0x1111, 0x2222));
}

TYPED_TEST(DynptrTest, AReservationThatFailsLeavesANullPointer) {
  this->Run("refused_records");
  EXPECT_THAT(this->Results(6), ElementsAre(-EINVAL, -EINVAL, 1, -EINVAL, -E2BIG, 0));
}

struct Words {
  std::uint32_t old_words[4];
  std::uint32_t new_words[4];
  std::uint32_t seed;
};

template <typename T>
class ChecksumTest : public ResultsTest<T> {
 protected:
  ChecksumTest() : ResultsTest<T>(STRATA_BPF_CHECKSUM) {}
  std::vector<std::int64_t> Differences(const Words& words) {
    EXPECT_TRUE(this->objects_->template FindMap<Array<Words>>("words")->Update(0, words));
    this->Run("differences");
    return this->Results(6);
  }
};
TYPED_TEST_SUITE(ChecksumTest, BackendKinds, BackendNames);

TYPED_TEST(ChecksumTest, BothFormsOfZeroAreTheKernels) {
  EXPECT_THAT(this->Differences({}), ElementsAre(0xffff, 0xffff, 0, 0, 0, 0xffff));
  const Words ones = {{~0U, ~0U, ~0U, ~0U}, {~0U, ~0U, ~0U, ~0U}, 0};
  EXPECT_THAT(this->Differences(ones), ElementsAre(0xffff, 0xffff, 0xffff, 0, 0, 0xffff));
}

TYPED_TEST(ChecksumTest, DifferencesOfWordsAndSeed) {
  const Words words = {{1, 0xab0002, 3, 0x80000000}, {0xfffffffe, 7, 0x12345678, 9}, 0xabcd1234};
  EXPECT_THAT(this->Differences(words), ElementsAre(42507, 9743, 9917, 15696, 48641, 48473));
}

}  // namespace
}  // namespace strata
