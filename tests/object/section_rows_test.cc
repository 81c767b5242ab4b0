// Every row of the table of section names: a program of that section, read from an object and loaded into the kernel.
#include <sys/utsname.h>

#include <cerrno>
#include <optional>
#include <set>

#include "../backend/kernel/fake_syscalls.h"
#include "kernel_fixture.h"
#include "strata/backend/kernel/kernel_backend.h"
#include "strata/elf/reader.h"
#include "strata/elf/section_kinds.h"
#include "strata/isa/builder.h"
#include "support/elf_writer.h"

namespace strata {
namespace {

using elf::SectionKind;
using elf::SectionKinds;
using kernel::Command;
using kernel::FakeSyscalls;
using kernel::ProgramLoadAttr;

constexpr char kName[] = "section_row";

// What programs that hook by BTF name after their prefix.
struct HookRow {
  AttachType attach_type;
  std::string_view hook;
};
constexpr HookRow kHookRows[] = {
    {AttachType::kTraceRawTp, "sched_switch"},
    {AttachType::kTraceIter, "task"},
    {AttachType::kLsmMac, "file_open"},
    {AttachType::kLsmCgroup, "socket_bind"},
    {AttachType::kTraceFentry, "bpf_fentry_test1"},
    {AttachType::kTraceFexit, "bpf_fentry_test1"},
    {AttachType::kTraceFsession, "bpf_fentry_test1"},
    {AttachType::kModifyReturn, "bpf_modify_return_test"},
};
constexpr std::string_view kReplacedFunction = "LengthOf";  // of programs.bpf.c

// What Linux 6.18 on the reference machine refuses: whatever needs a trampoline (EPERM: fentry and its like, lsm,
// freplace), sleepable tracepoints, attach types of newer kernels (fsession, *.multi) and what it was built without
// (infrared).
struct RefusalRow {
  std::string_view prefix;
  int sys_errno;
};
constexpr RefusalRow kRefusals[] = {
    {"tracepoint.s", EINVAL}, {"tp.s", EINVAL},           {"raw_tracepoint.s", EINVAL}, {"raw_tp.s", EINVAL},
    {"tp_btf.s", EINVAL},     {"fentry", EPERM},          {"fmod_ret", EPERM},          {"fexit", EPERM},
    {"fentry.s", EPERM},      {"fmod_ret.s", EPERM},      {"fexit.s", EPERM},           {"fsession", EINVAL},
    {"fsession.s", EINVAL},   {"fsession.multi", EINVAL}, {"fsession.multi.s", EINVAL}, {"fentry.multi", EINVAL},
    {"fexit.multi", EINVAL},  {"fentry.multi.s", EINVAL}, {"fexit.multi.s", EINVAL},    {"freplace", EPERM},
    {"lsm", EPERM},           {"lsm.s", EPERM},           {"lsm_cgroup", EPERM},        {"lirc_mode2", EINVAL},
};

int RefusalOf(const SectionKind& kind) {
  for (const RefusalRow& row : kRefusals) {
    if (row.prefix == kind.prefix) return row.sys_errno;
  }
  return 0;
}

std::string SectionOf(const SectionKind& kind) {
  if (kind.program_type == ProgramType::kExt) return std::string(kind.prefix) + "/" + std::string(kReplacedFunction);
  for (const HookRow& row : kHookRows) {
    if ((kind.flags & elf::section_flags::kAttachBtf) != 0 && row.attach_type == kind.attach_type) {
      return std::string(kind.prefix) + "/" + std::string(row.hook);
    }
  }
  return std::string(kind.prefix);
}

// Of programs that hook functions and tracepoints by BTF the verifier wants 0; 1 suits all others.
CollectionSpec ObjectOf(const SectionKind& kind) {
  const int result = kind.program_type == ProgramType::kTracing || kind.program_type == ProgramType::kLsm ? 0 : 1;
  isa::Builder code;
  code.Mov(isa::kR0, result).Exit();
  const auto bytes = test::ElfWriter()
                         .Code(SectionOf(kind), kName, std::move(code).Build().value())
                         .Section("license", test::BytesOf("GPL"))
                         .Bytes();
  return elf::ReadCollectionSpec(bytes, {.name = "rows"}).value();
}

bool IsStructOps(const SectionKind& kind) { return kind.program_type == ProgramType::kStructOps; }

class SectionRows : public testing::KernelTest {
 protected:
  void SetUp() override {
    testing::KernelTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    utsname name{};
    ::uname(&name);
    if (!std::string_view(name.release).starts_with("6.18.")) {
      GTEST_SKIP() << "what is refused is known of Linux 6.18 only, not of " << name.release;
    }
    backend_ = OpenKernelBackend({.syscalls = syscalls_}).value();
    target_.emplace(Load(STRATA_BPF_PROGRAMS).value());
  }

  // The first load of the row's program; those after it ask for a log, or probe.
  FakeSyscalls::Call LoadOf(std::size_t seen) const {
    const auto loads = syscalls_->CallsOf(Command::kProgramLoad);
    for (std::size_t i = seen; i < loads.size(); ++i) {
      if (std::string_view(loads[i].As<ProgramLoadAttr>().prog_name.data()) == kName) return loads[i];
    }
    ADD_FAILURE() << "the kernel was not asked";
    return {};
  }

  void ExpectRow(const SectionKind& kind, CollectionSpec spec) {
    LoadOptions options;
    if (kind.program_type == ProgramType::kExt) {
      options.attach_programs[kName] =
          target_->FindProgram("returns_the_length_of_the_packet").value()->backend_program();
    }
    const std::size_t seen = syscalls_->CallsOf(Command::kProgramLoad).size();
    const auto objects = LoadCollection(backend_, std::move(spec), std::move(options));
    const FakeSyscalls::Call call = LoadOf(seen);
    ExpectAttr(kind, call.As<ProgramLoadAttr>());
    const int refusal = RefusalOf(kind);
    if (refusal != 0) {
      EXPECT_EQ(call.result, -refusal);
      EXPECT_FALSE(objects);
      return;
    }
    ASSERT_TRUE(objects) << objects.error().message() << "\n" << objects.error().log();
    EXPECT_GT(call.result, 0);
    EXPECT_EQ(objects->programs().at(kName).info().type, kind.program_type);
  }

  static void ExpectAttr(const SectionKind& kind, const ProgramLoadAttr& attr) {
    EXPECT_EQ(attr.prog_type, static_cast<std::uint32_t>(kind.program_type));
    // Of struct_ops it is the number of the member.
    if (!IsStructOps(kind)) {
      EXPECT_EQ(attr.expected_attach_type,
                kind.attach_type == AttachType::kNone ? 0U : static_cast<std::uint32_t>(kind.attach_type));
    }
    constexpr std::uint32_t kSleepable = 1U << 4;  // BPF_F_SLEEPABLE
    constexpr std::uint32_t kXdpFrags = 1U << 5;   // BPF_F_XDP_HAS_FRAGS
    EXPECT_EQ((attr.prog_flags & kSleepable) != 0, (kind.flags & elf::section_flags::kSleepable) != 0);
    EXPECT_EQ((attr.prog_flags & kXdpFrags) != 0, (kind.flags & elf::section_flags::kXdpFrags) != 0);
    const bool hooks = (kind.flags & elf::section_flags::kAttachBtf) != 0 || IsStructOps(kind);
    EXPECT_EQ(attr.attach_btf_id != 0, hooks);
  }

  std::shared_ptr<FakeSyscalls> syscalls_ = std::make_shared<FakeSyscalls>();  // the kernel answers
  std::optional<Collection> target_;
};

TEST_F(SectionRows, AreLoadedAsTheirTypeOrRefusedAsThisKernelDoes) {
  for (const SectionKind& kind : SectionKinds()) {
    if (IsStructOps(kind)) continue;
    SCOPED_TRACE(kind.prefix);
    ExpectRow(kind, ObjectOf(kind));
  }
}

TEST_F(SectionRows, OfStructOpsAreLoadedForAMemberOfTheirStruct) {
  struct {
    std::string_view prefix;
    const char* object;
  } const rows[] = {{"struct_ops", STRATA_BPF_STRUCT_OPS_ROW}, {"struct_ops.s", STRATA_BPF_STRUCT_OPS_SLEEPABLE_ROW}};
  for (const auto& [prefix, object] : rows) {
    SCOPED_TRACE(prefix);
    ExpectRow(*elf::ParseSectionName(prefix)->kind, LoadCollectionSpec(object).value());
  }
}

TEST(SectionRowsTable, NamesRowsThatExistAndHasAHookForEachThatNeedsOne) {
  std::set<std::string_view> prefixes;
  for (const SectionKind& kind : SectionKinds()) {
    prefixes.insert(kind.prefix);
    const bool hooks = (kind.flags & elf::section_flags::kAttachBtf) != 0;
    EXPECT_EQ(SectionOf(kind).find('/', kind.prefix.size()) != std::string::npos, hooks) << kind.prefix;
  }
  EXPECT_EQ(prefixes.size(), 116U);
  for (const RefusalRow& row : kRefusals) EXPECT_TRUE(prefixes.contains(row.prefix)) << row.prefix;
}

}  // namespace
}  // namespace strata
