#include "strata/elf/section_kinds.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "strata/spec/attach_kind.h"

namespace strata::elf {
namespace {

TEST(SectionKinds, PrefixesAreUniqueAndFindTheirOwnRow) {
  std::set<std::string_view> prefixes;
  for (const SectionKind& kind : SectionKinds()) {
    EXPECT_TRUE(prefixes.insert(kind.prefix).second) << kind.prefix;
    const auto parsed = ParseSectionName(kind.prefix);
    ASSERT_TRUE(parsed.has_value()) << kind.prefix;
    EXPECT_EQ(parsed->kind, &kind) << kind.prefix;
    EXPECT_TRUE(parsed->autoload);
    EXPECT_NE(kind.program_type, ProgramType::kUnspec) << kind.prefix;
  }
  EXPECT_EQ(prefixes.size(), 116U);
}

TEST(SectionKinds, DetailsFollowThePrefixOnlyWhereTheRowHasThem) {
  for (const SectionKind& kind : SectionKinds()) {
    const std::string name = std::string(kind.prefix) + "/some/details";
    const auto parsed = ParseSectionName(name);
    if (kind.match == SectionMatch::kExact) {
      EXPECT_FALSE(parsed && parsed->kind == &kind) << name;
    } else {
      ASSERT_TRUE(parsed.has_value()) << name;
      EXPECT_EQ(parsed->details, "some/details") << name;
    }
  }
}

TEST(SectionKinds, ReadsUprobeTargets) {
  EXPECT_EQ(ParseSectionName("uprobe/libc.so.6:malloc")->details, "libc.so.6:malloc");
  EXPECT_EQ(ParseSectionName("uprobe//usr/bin/sort:main+0x4")->details, "/usr/bin/sort:main+0x4");
  EXPECT_EQ(ParseSectionName("uprobe/libc.so.6:malloc")->kind->attach_kind, "uprobe");
  EXPECT_EQ(ParseSectionName("uretprobe.s/a:b")->kind->attach_kind, "uretprobe");
  EXPECT_TRUE(ParseSectionName("uretprobe.s")->kind->flags & section_flags::kSleepable);
}

TEST(SectionKinds, AQuestionMarkTurnsAutoloadOff) {
  const auto parsed = ParseSectionName("?xdp");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_FALSE(parsed->autoload);
  EXPECT_EQ(parsed->kind->program_type, ProgramType::kXdp);
}

TEST(SectionKinds, NamesThatOnlyBeginLikeARowAreNone) {
  for (const std::string_view name :
       {"xdp_filter", "tcpfoo", "uprobes", "uprobefoo/a", "", "?", "foo", "xdp/devmap/x"}) {
    EXPECT_FALSE(ParseSectionName(name).has_value()) << name;
  }
}

TEST(SectionKinds, AttachTypesAreTheKernels) {
  EXPECT_EQ(ParseSectionName("cgroup/connect4")->kind->attach_type, AttachType::kCgroupInet4Connect);
  EXPECT_EQ(ParseSectionName("fentry/do_unlinkat")->kind->attach_type, AttachType::kTraceFentry);
  EXPECT_EQ(ParseSectionName("xdp.frags")->kind->attach_type, AttachType::kXdp);
  EXPECT_EQ(ParseSectionName("lsm.s/file_open")->kind->attach_type, AttachType::kLsmMac);
  EXPECT_EQ(ParseSectionName("tp/syscalls/sys_enter_write")->kind->attach_kind, "tracepoint");
}

TEST(SectionKinds, AreAttachedByKindsOfTheirProgramType) {
  for (const SectionKind& kind : SectionKinds()) {
    const AttachKind* attach = FindAttachKind(BuiltinAttachKinds(), kind.attach_kind);
    if (attach == nullptr || attach->program_type == ProgramType::kUnspec) continue;
    EXPECT_EQ(attach->program_type, kind.program_type) << kind.prefix;
  }
}

TEST(SectionKinds, OfTheNetworkNameTheirAttachKind) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"xdp", "xdp"},
      {"xdp.frags", "xdp"},
      {"xdp/devmap", ""},  // runs behind a map's entry
      {"tc", "tcx"},
      {"tcx/egress", "tcx"},
      {"netkit/peer", "netkit"},
      {"cgroup/connect4", "cgroup"},
      {"cgroup_skb/egress", "cgroup"},
      {"sockops", "cgroup"},
      {"lsm_cgroup/file_open", "cgroup"},
      {"sk_lookup", "sk_lookup"},
      {"flow_dissector", "flow_dissector"},
      {"netfilter", "netfilter"},
      {"socket", "socket_filter"},
      {"sk_reuseport/migrate", "sk_reuseport"},
      {"sk_skb/stream_parser", "sockmap"},
      {"sk_msg", "sockmap"},
      {"struct_ops/init", "struct_ops"},
  };
  for (const auto& [section, kind] : rows) EXPECT_EQ(ParseSectionName(section)->kind->attach_kind, kind) << section;
}

}  // namespace
}  // namespace strata::elf
