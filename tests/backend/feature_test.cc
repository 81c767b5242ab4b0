#include "strata/backend/feature.h"

#include <gtest/gtest.h>

#include <set>

namespace strata {
namespace {

constexpr std::uint32_t Version(std::uint32_t major, std::uint32_t minor) { return major << 16 | minor << 8; }

TEST(Features, HaveNamesOfTheirOwnAndAFirstKernel) {
  std::set<std::string> names;
  for (const Feature& feature : KnownFeatures()) {
    EXPECT_TRUE(names.insert(FeatureName(feature)).second) << FeatureName(feature);
    EXPECT_GE(FirstKernelWith(feature), Version(3, 19)) << FeatureName(feature);
  }
  EXPECT_TRUE(names.contains("map type arena"));
  EXPECT_TRUE(names.contains("program type tracing with attach type trace_fentry"));
  EXPECT_TRUE(names.contains("BTF kind ENUM64"));
}

TEST(Features, HelpersAreAsOldAsTheirNumber) {
  const auto first = [](std::uint32_t helper) { return FirstKernelWith(HelperFeature{helper, ProgramType::kXdp}); };
  EXPECT_EQ(first(1), Version(3, 19));
  EXPECT_EQ(first(6), Version(4, 1));
  EXPECT_EQ(first(113), Version(5, 5));   // probe_read_kernel
  EXPECT_EQ(first(130), Version(5, 8));   // ringbuf_output
  EXPECT_EQ(first(174), Version(5, 15));  // get_attach_cookie
  EXPECT_EQ(first(181), Version(5, 17));  // loop
  EXPECT_EQ(first(211), Version(6, 2));
  EXPECT_EQ(first(212), 0U);
  EXPECT_EQ(FeatureName(HelperFeature{181, ProgramType::kXdp}), "helper bpf_loop in programs of type xdp");
}

TEST(Features, WhatIsMissingNamesTheKernelThatHasIt) {
  const Error error = NotSupported(MapTypeFeature{MapType::kArena}, {Support::kNo, "creating one: Invalid argument"});
  EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
  EXPECT_EQ(error.message(), "map type arena: not supported (needs Linux 6.9): creating one: Invalid argument");
}

TEST(Features, VersionsReadAsUsual) {
  EXPECT_EQ(LinuxVersionText(Version(3, 19)), "3.19");
  EXPECT_EQ(LinuxVersionText(Version(6, 1) + 99), "6.1.99");
}

}  // namespace
}  // namespace strata
