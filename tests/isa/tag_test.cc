#include "strata/isa/tag.h"

#include <gtest/gtest.h>

#include "strata/isa/builder.h"

namespace strata::isa {
namespace {

// Builds what `fill` appends.
template <typename Fill>
std::vector<Instruction> Code(Fill fill) {
  Builder builder;
  fill(builder);
  return std::move(builder).Build().value();
}

std::vector<Instruction> ReadsMap(int fd) {
  return Code([&](Builder& b) { b.LoadMapFd(kR1, fd).Mov(kR0, 0).Exit(); });
}

// printf '\xb7\0\0\0\0\0\0\0\x95\0\0\0\0\0\0\0' | sha1sum, sha256sum
TEST(ProgramTag, IsTheStartOfTheDigest) {
  const auto code = Code([](Builder& b) { b.Mov(kR0, 0).Exit(); });
  EXPECT_EQ(ProgramTag(code, TagHash::kSha1), (Tag{0xa0, 0x4f, 0x5e, 0xef, 0x06, 0xa7, 0xf5, 0x55}));
  EXPECT_EQ(ProgramTag(code, TagHash::kSha256), (Tag{0x59, 0xf4, 0xa9, 0x31, 0x74, 0x4d, 0xcd, 0xc6}));
}

TEST(ProgramTag, LeavesMapDescriptorsOut) {
  EXPECT_EQ(ProgramTag(ReadsMap(3), TagHash::kSha256), ProgramTag(ReadsMap(4), TagHash::kSha256));
}

TEST(ProgramTag, CountsEveryOtherConstant) {
  const auto load = [](std::uint64_t value) { return Code([&](Builder& b) { b.LoadImm64(kR0, value).Exit(); }); };
  EXPECT_NE(ProgramTag(load(1), TagHash::kSha256), ProgramTag(load(2), TagHash::kSha256));
  EXPECT_NE(ProgramTag(load(1ULL << 32), TagHash::kSha256), ProgramTag(load(2ULL << 32), TagHash::kSha256));
}

TEST(ProgramTag, ReadsNothingBehindACutLoad) {
  auto code = ReadsMap(3);
  code.resize(1);
  auto other = ReadsMap(4);
  other.resize(1);
  EXPECT_EQ(ProgramTag(code, TagHash::kSha1), ProgramTag(other, TagHash::kSha1));
}

TEST(ProgramTag, OfNoInstructionsIsTheEmptyDigest) {
  EXPECT_EQ(ProgramTag({}, TagHash::kSha1)[0], 0xda);
  EXPECT_EQ(ProgramTag({}, TagHash::kSha256)[0], 0xe3);
}

TEST(ProgramTag, HashFollowsTheKernel) {
  EXPECT_EQ(TagHashOf((6U << 16) + (17U << 8) + 255), TagHash::kSha1);
  EXPECT_EQ(TagHashOf((6U << 16) + (18U << 8)), TagHash::kSha256);
  EXPECT_EQ(TagHashOf(7U << 16), TagHash::kSha256);
}

}  // namespace
}  // namespace strata::isa
