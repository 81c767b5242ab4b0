#include "strata/spec/print.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sample_spec.h"
#include "strata/spec/json.h"
#include "strata/spec/type_names.h"

namespace strata {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST(FormatSpec, ListsEverythingThatAnObjectHolds) {
  EXPECT_EQ(FormatSpec(test::SampleSpec()), R"(object sample, little-endian, license "GPL", for Linux 6.1.2

maps (2)
  .data                    array, 8 bytes
      the kernel's name: sample.data
  counts                   hash, key int (4 bytes), value of 8 bytes, 64 entries, flags 0x1, pinned by name
      tags: log2_hist

programs (1)
  main                     SEC("fentry/do_nothing"), tracing, trace_fentry, sleepable, 9 instructions
      calls: add
      maps: counts, .data
      kernel symbols: jiffies
      CO-RE at 3: field_byte_offset of struct pair.b (0:1)

functions (1)
  add                      static, 2 instructions

variables (2)
  limit                    .data+0          int, 4 bytes = 42
  untyped                  .data+4          no type, 4 bytes

externs (2)
  CONFIG_HZ                kconfig, int, .kconfig+0
  jiffies                  ksym_address, weak

types (2): 1 INT, 1 STRUCT
)");
}

TEST(FormatSpec, SaysThatAnObjectHasNoTypes) {
  CollectionSpec spec = test::SampleSpec();
  spec.types = nullptr;
  const std::string text = FormatSpec(spec);
  EXPECT_THAT(text, HasSubstr("no types"));
  EXPECT_THAT(text, HasSubstr("= 0x2a000000"));
  EXPECT_THAT(text, Not(HasSubstr("CO-RE")));
}

TEST(FormatSpec, CutsLongValues) {
  CollectionSpec spec = test::SampleSpec();
  spec.variables["untyped"].value.assign(4096, std::byte{1});
  EXPECT_LT(FormatSpec(spec).size(), 2000U);
}

TEST(FormatSpecJson, HasTheDocumentedMembers) {
  const json spec = json::parse(FormatSpecJson(test::SampleSpec()));
  EXPECT_EQ(spec["name"], "sample");
  EXPECT_EQ(spec["byte_order"], "little");
  const json& counts = spec["maps"][1];
  EXPECT_EQ(counts["name"], "counts");
  EXPECT_EQ(counts["type"], "hash");
  EXPECT_EQ(counts["key_type"], "int");
  EXPECT_EQ(counts["value_type"], nullptr);
  EXPECT_EQ(counts["pinning"], "by_name");
  const json& program = spec["programs"][0];
  EXPECT_EQ(program["attach_type"], "trace_fentry");
  EXPECT_EQ(program["instructions"], 9);
  EXPECT_EQ(program["references"][0],
            json({{"instruction", 0}, {"kind", "map"}, {"symbol", "counts"}, {"addend", 0}, {"weak", false}}));
  EXPECT_EQ(program["core_relocations"][0]["access"], "0:1");
  EXPECT_EQ(program["core_relocations"][0]["kind"], "field_byte_offset");
  EXPECT_EQ(spec["functions"][0]["static"], true);
  EXPECT_EQ(spec["variables"][0]["value"], 42);
  EXPECT_EQ(spec["variables"][1]["value"], "00000000");
  EXPECT_EQ(spec["externs"][0]["kconfig_type"], "integer");
  EXPECT_EQ(spec["types"], json({{"count", 2}, {"kinds", {{"INT", 1}, {"STRUCT", 1}}}}));
}

TEST(FormatSpecJson, ReplacesNamesThatAreNoUtf8) {
  CollectionSpec spec;
  spec.name = "\xff\xfe";
  EXPECT_FALSE(json::parse(FormatSpecJson(spec), nullptr, false).is_discarded());
}

TEST(AttachTypeName, NamesEveryTypeAndNoneForNone) {
  EXPECT_EQ(AttachTypeName(AttachType::kCgroupInetIngress), "cgroup_inet_ingress");
  EXPECT_EQ(AttachTypeName(AttachType::kLsmCgroup), "lsm_cgroup");
  EXPECT_EQ(AttachTypeName(AttachType::kTraceUprobeMulti), "trace_uprobe_multi");
  EXPECT_EQ(AttachTypeName(AttachType::kTraceFsessionMulti), "trace_fsession_multi");
  EXPECT_EQ(AttachTypeName(AttachType::kNone), "");
  EXPECT_EQ(AttachTypeName(static_cast<AttachType>(999)), "type_999");
}

}  // namespace
}  // namespace strata
