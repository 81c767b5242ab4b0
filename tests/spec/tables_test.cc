#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "strata/spec/attach_kind.h"
#include "strata/spec/attach_target.h"
#include "strata/spec/network_target.h"
#include "strata/spec/type_names.h"

namespace strata {
namespace {

TEST(AttachKinds, HaveUniqueNamesAndFindTheirRow) {
  std::set<std::string_view> names;
  for (const AttachKind& kind : BuiltinAttachKinds()) {
    EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
    EXPECT_EQ(FindAttachKind(BuiltinAttachKinds(), kind.name), &kind);
  }
  EXPECT_EQ(FindAttachKind(BuiltinAttachKinds(), "no_such_kind"), nullptr);
}

TEST(AttachKinds, UprobesTakeAFileAndTheirConfig) {
  for (const std::string_view name : {"uprobe", "uretprobe"}) {
    const AttachKind* kind = FindAttachKind(BuiltinAttachKinds(), name);
    ASSERT_NE(kind, nullptr);
    EXPECT_EQ(kind->program_type, ProgramType::kKprobe);
    EXPECT_EQ(kind->config_size_bytes, sizeof(UprobeConfig));
    EXPECT_TRUE(kind->hooks_file);
  }
}

TEST(AttachKinds, OfTheNetworkTakeTheirRecords) {
  const std::tuple<std::string_view, ProgramType, std::size_t> rows[] = {
      {"xdp", ProgramType::kXdp, sizeof(XdpConfig)},
      {"tcx", ProgramType::kSchedCls, sizeof(InterfaceConfig)},
      {"netkit", ProgramType::kSchedCls, sizeof(InterfaceConfig)},
      {"cgroup", ProgramType::kUnspec, sizeof(CgroupConfig)},
      {"sk_lookup", ProgramType::kSkLookup, 0},
      {"flow_dissector", ProgramType::kFlowDissector, 0},
      {"netfilter", ProgramType::kNetfilter, sizeof(NetfilterConfig)},
      {"socket_filter", ProgramType::kSocketFilter, sizeof(SocketConfig)},
      {"sk_reuseport", ProgramType::kSkReusePort, sizeof(SocketConfig)},
      {"sockmap", ProgramType::kUnspec, sizeof(SockMapConfig)},
  };
  for (const auto& [name, type, size] : rows) {
    const AttachKind* kind = FindAttachKind(BuiltinAttachKinds(), name);
    ASSERT_NE(kind, nullptr) << name;
    EXPECT_EQ(kind->program_type, type) << name;
    EXPECT_EQ(kind->config_size_bytes, size) << name;
    EXPECT_FALSE(kind->hooks_file) << name;
  }
}

TEST(AttachTarget, ConfigRoundTripsAndChecksItsSize) {
  AttachTarget target;
  target.kind = "uprobe";
  target.config = EncodeConfig(UprobeConfig{.file_offset = 0x1234});
  EXPECT_EQ(DecodeConfig<UprobeConfig>(target)->file_offset, 0x1234U);
  target.config.pop_back();
  EXPECT_THAT(DecodeConfig<UprobeConfig>(target).error().message(),
              testing::HasSubstr("config has 15 bytes, expected 16"));
}

TEST(AttachTarget, ListsOfRecordsRoundTripAndCheckTheirSize) {
  AttachTarget target;
  target.kind = "uprobe_multi";
  target.config = EncodeConfigs<UprobePlace>({{.file_offset = 1, .cookie = 2}, {.file_offset = 3}});
  const auto places = DecodeConfigs<UprobePlace>(target).value();
  ASSERT_EQ(places.size(), 2U);
  EXPECT_EQ(places[0].cookie, 2U);
  EXPECT_EQ(places[1].file_offset, 3U);
  target.config.pop_back();
  EXPECT_THAT(DecodeConfigs<UprobePlace>(target).error().message(),
              testing::HasSubstr("config has 47 bytes, expected records of 24"));
  target.config.clear();
  EXPECT_TRUE(DecodeConfigs<UprobePlace>(target)->empty());
}

TEST(TypeNames, AreUniqueAndWithoutHoles) {
  std::set<std::string> maps;
  for (std::uint32_t number = 0; number <= static_cast<std::uint32_t>(MapType::kInsnArray); ++number) {
    EXPECT_TRUE(maps.insert(MapTypeName(static_cast<MapType>(number))).second) << number;
  }
  std::set<std::string> programs;
  for (std::uint32_t number = 0; number <= static_cast<std::uint32_t>(ProgramType::kNetfilter); ++number) {
    EXPECT_TRUE(programs.insert(ProgramTypeName(static_cast<ProgramType>(number))).second) << number;
  }
}

TEST(TypeNames, AreTheKernels) {
  EXPECT_EQ(MapTypeName(MapType::kRingBuf), "ringbuf");
  EXPECT_EQ(MapTypeName(MapType::kCgroupStorage), "cgroup_storage");
  EXPECT_EQ(MapTypeName(static_cast<MapType>(77)), "type_77");
  EXPECT_EQ(ProgramTypeName(ProgramType::kTracing), "tracing");
  EXPECT_EQ(ProgramTypeName(ProgramType::kSkLookup), "sk_lookup");
}

}  // namespace
}  // namespace strata
