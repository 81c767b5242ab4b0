// What whoever reads an object may change: kinds of programs, and how strict the reader is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reading.h"

namespace strata {
namespace {

using testing::HasSubstr;

const std::vector<isa::Instruction> kReturnZero = {{.opcode = 0xb7}, {.opcode = 0x95}};

TEST(ReadOptions, RowsOfTheCallerComeFirst) {
  const std::array rows = {
      elf::SectionKind{"nginx", elf::SectionMatch::kExactOrDetails, ProgramType::kXdp, AttachType::kXdp,
                       elf::section_flags::kSleepable, "nginx_filter"},
      elf::SectionKind{"xdp", elf::SectionMatch::kExact, ProgramType::kSchedCls, AttachType::kNone,
                       elf::section_flags::kNone, "mine"},
  };
  const auto bytes = test::ElfWriter()
                         .Code("?nginx/url", "f", kReturnZero)
                         .Code("xdp", "g", kReturnZero)
                         .Code("tc", "h", kReturnZero)
                         .Bytes();
  const auto spec = elf::ReadCollectionSpec(bytes, {.section_kinds = rows}).value();
  const ProgramSpec& mine = spec.programs.at("f");
  EXPECT_EQ(mine.type_of_program, ProgramType::kXdp);
  EXPECT_EQ(mine.attach_kind, "nginx_filter");
  EXPECT_EQ(mine.attach_to, "url");
  EXPECT_TRUE(mine.is_sleepable);
  EXPECT_FALSE(mine.autoload);
  EXPECT_EQ(spec.programs.at("g").type_of_program, ProgramType::kSchedCls);
  EXPECT_EQ(spec.programs.at("h").type_of_program, ProgramType::kSchedCls) << "the built-in row";
}

TEST(ReadOptions, FlagsOfTheRowReachTheProgram) {
  const auto bytes = test::ElfWriter()
                         .Code("fentry/vfs_read", "f", kReturnZero)
                         .Code("xdp", "g", kReturnZero)
                         .Code("xdp.frags", "h", kReturnZero)
                         .Bytes();
  const auto spec = elf::ReadCollectionSpec(bytes).value();
  EXPECT_TRUE(spec.programs.at("f").hooks_btf_function);
  EXPECT_FALSE(spec.programs.at("f").is_attach_type_optional);
  EXPECT_TRUE(spec.programs.at("g").is_attach_type_optional);
  EXPECT_TRUE(spec.programs.at("h").has_xdp_frags);
}

TEST(ReadOptions, RelaxedNamesMatchByTheirLongestPrefix) {
  const auto type_of = [](const char* section, elf::Strictness strictness) {
    const auto bytes = test::ElfWriter().Code(section, "f", kReturnZero).Bytes();
    return elf::ReadCollectionSpec(bytes, {.strictness = strictness})->programs.at("f");
  };
  struct Row {
    const char* section;
    ProgramType type;
    AttachType attach_type;
  };
  for (const Row& row : {Row{"xdp_drop", ProgramType::kXdp, AttachType::kXdp},
                         Row{"xdp_devmap/egress", ProgramType::kXdp, AttachType::kXdpDevMap},
                         Row{"socket1", ProgramType::kSocketFilter, AttachType::kNone},
                         Row{"socket/3", ProgramType::kSocketFilter, AttachType::kNone},
                         Row{"tc-ingress", ProgramType::kSchedCls, AttachType::kNone},
                         Row{"classifier/one", ProgramType::kSchedCls, AttachType::kNone},
                         Row{"cgroup/sock1", ProgramType::kCgroupSock, AttachType::kCgroupInetSockCreate},
                         Row{"cgroup/sock_release2", ProgramType::kCgroupSock, AttachType::kCgroupInetSockRelease},
                         Row{"sk_skb/stream_parser2", ProgramType::kSkSkb, AttachType::kSkSkbStreamParser}}) {
    EXPECT_EQ(type_of(row.section, elf::Strictness::kStrict).type_of_program, ProgramType::kUnspec) << row.section;
    const ProgramSpec relaxed = type_of(row.section, elf::Strictness::kRelaxed);
    EXPECT_EQ(relaxed.type_of_program, row.type) << row.section;
    EXPECT_EQ(relaxed.attach_type, row.attach_type) << row.section;
  }
  const ProgramSpec kprobe = type_of("kprobe/sys_write", elf::Strictness::kRelaxed);
  EXPECT_EQ(kprobe.attach_to, "sys_write") << "what fits exactly goes first";
  EXPECT_EQ(type_of("kprobed", elf::Strictness::kRelaxed).type_of_program, ProgramType::kUnspec);
}

// Edge case 16.
TEST(ReadOptions, RelaxedMapsMayHaveUnknownFields) {
  const auto bytes = test::ReadFile(STRATA_BPF_MAP_FIELDS);
  EXPECT_THAT(elf::ReadCollectionSpec(bytes).error().message(), HasSubstr("map colourful: field colour: is not known"));
  const auto relaxed = elf::ReadCollectionSpec(bytes, {.strictness = elf::Strictness::kRelaxed}).value();
  EXPECT_EQ(relaxed.maps.at("colourful").max_entries, 1U);
  EXPECT_EQ(relaxed.programs.at("of_old_name").type_of_program, ProgramType::kXdp);
}

// Edge case 9.
TEST(ReadOptions, LicenseAndVersionAreReadAsFarAsTheyGo) {
  const auto read = [](std::vector<std::byte> license, std::vector<std::byte> version) {
    return elf::ReadCollectionSpec(test::ElfWriter()
                                       .Section("license", std::move(license))
                                       .Section("version", std::move(version))
                                       .Code("xdp", "f", kReturnZero)
                                       .Bytes(),
                                   {.path = "a.o"});
  };
  EXPECT_EQ(read(test::BytesOf("GPL"), std::vector<std::byte>(4))->programs.at("f").license, "GPL") << "no NUL";
  EXPECT_EQ(read(test::BytesOf(std::string(1000, 'x')), std::vector<std::byte>(4))->programs.at("f").license.size(),
            128U);
  EXPECT_EQ(read(test::BytesOf("MIT"), std::vector<std::byte>(9))->programs.at("f").kernel_version, 0U);
  EXPECT_THAT(read(test::BytesOf("MIT"), std::vector<std::byte>(3)).error().message(),
              HasSubstr("a.o: section version: "));
}

}  // namespace
}  // namespace strata
