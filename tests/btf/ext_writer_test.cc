#include "strata/btf/ext_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace strata::btf {
namespace {

struct Sample {
  Builder types;
  ExtInfo info;
};

Sample MakeSample() {
  Sample sample;
  const TypeId prototype = sample.types.Add(FuncProto{}).value();
  const TypeId function = sample.types.Add(Func{"f", prototype, Linkage::kGlobal}).value();
  const std::uint32_t file = sample.types.AddString("a.c");
  const std::uint32_t line = sample.types.AddString("return 0;");
  SectionExtInfo& xdp = sample.info["xdp"];
  xdp.functions = {{{0}, function}, {{7}, function}};
  xdp.lines = {{{0}, file, line, 3 << 10 | 5}, {{2}, file, line, 4 << 10}};
  xdp.core_relocations = {{{1}, prototype, "0:1:2", 0}, {{3}, prototype, "0", 7}};
  sample.info[".text"].functions = {{{0}, function}};
  return sample;
}

TEST(ExtWriter, WritesWhatTheReaderReads) {
  for (const std::endian order : {std::endian::little, std::endian::big}) {
    Sample sample = MakeSample();
    const auto bytes = WriteExtInfo(sample.info, &sample.types, order).value();
    const auto types = Btf::Parse(sample.types.Build(order).value()).value();
    const ExtInfo again = ReadExtInfo(bytes, *types).value();
    ASSERT_EQ(again.size(), 2U);
    EXPECT_EQ(again.at("xdp").functions, sample.info.at("xdp").functions);
    EXPECT_EQ(again.at("xdp").lines, sample.info.at("xdp").lines);
    EXPECT_EQ(again.at("xdp").core_relocations, sample.info.at("xdp").core_relocations);
    EXPECT_EQ(again.at(".text").functions, sample.info.at(".text").functions);
  }
}

TEST(ExtWriter, LeavesOutWhatIsEmpty) {
  Builder types;
  const auto bytes = WriteExtInfo({{"xdp", {}}}, &types).value();
  EXPECT_EQ(bytes.size(), 32U);
  EXPECT_TRUE(ReadExtInfo(bytes, *types.BuildTypes().value()).value().empty());
}

}  // namespace
}  // namespace strata::btf
