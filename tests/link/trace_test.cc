// Programs that hook functions: this kernel refuses to load them, so what is asked of a kernel is what is tested.
#include <cerrno>

#include "tracing_fixture.h"

namespace strata::testing {
namespace {

using kernel::Command;
using kernel::LinkCreateAttr;
using kernel::ProgramLoadAttr;
using kernel::RawTracepointAttr;
using ::testing::HasSubstr;
using ::testing::Not;

class TraceTest : public LinkTracingTest {};

std::shared_ptr<kernel::FakeSyscalls> KernelWithTrampolines() {
  return std::make_shared<kernel::FakeSyscalls>(Take({ProgramType::kTracing, ProgramType::kLsm, ProgramType::kExt}));
}

TEST_F(TraceTest, RefusalOfThisKernelIsNotBlamedOnRights) {
  for (const char* name : {"on_fentry", "on_fexit", "on_fmod_ret", "on_lsm"}) {
    const Error error = ErrorOf(TryLoadOn(backend_, {name}));
    if (error.message() == "no error") continue;  // a kernel that takes it
    EXPECT_THAT(error.message(), HasSubstr(std::string("program ") + name)) << error.log();
    EXPECT_THAT(error.message(), Not(HasSubstr("memlock")));
    EXPECT_THAT(error.message(), Not(HasSubstr("needs CAP_")));
    if (error.sys_errno() == EPERM) {
      EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
      EXPECT_THAT(error.message(), HasSubstr("refused by this kernel although the process has the capabilities"));
    }
  }
}

TEST_F(TraceTest, ProgramsAreLoadedForAFunctionAndLinkedWithoutNamingIt) {
  struct Row {
    const char* program;
    std::uint32_t attach_type;
    const char* function;
    const char* kind;
  };
  for (const Row& row : {Row{"on_fentry", 24, "do_nanosleep", "fentry"}, Row{"on_fexit", 25, "do_nanosleep", "fexit"},
                         Row{"on_fmod_ret", 26, "security_file_open", "fmod_ret"}}) {
    const auto syscalls = KernelWithTrampolines();
    auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {row.program});
    const auto load = syscalls->CallsOf(Command::kProgramLoad).back().As<ProgramLoadAttr>();
    EXPECT_EQ(load.expected_attach_type, row.attach_type);
    EXPECT_EQ(load.attach_fd, 0U);
    const auto types = backend_->kernel().Types().value();
    EXPECT_EQ(types->NameOf(btf::TypeId{load.attach_btf_id}), row.function);
    const auto link = AttachTrace(ProgramOf(objects, row.program));
    ASSERT_TRUE(link) << link.error().message();
    const auto attr = syscalls->CallsOf(Command::kRawTracepointOpen).back().As<RawTracepointAttr>();
    EXPECT_EQ(attr.name, 0U);
    EXPECT_NE(attr.prog_fd, 0U);
    EXPECT_EQ(link->Info()->kind, row.kind);
  }
}

TEST_F(TraceTest, CookiesGoByLinkCreate) {
  const auto syscalls = KernelWithTrampolines();
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_fexit"});
  ASSERT_TRUE(AttachTrace(ProgramOf(objects, "on_fexit"), {.cookie = 77}));
  const auto attr = syscalls->CallsOf(Command::kLinkCreate).back().As<LinkCreateAttr>();
  EXPECT_EQ(attr.attach_type, 25U);
  EXPECT_EQ(attr.target, 0U);
  EXPECT_EQ(attr.flags, 0U);
  EXPECT_EQ(attr.detail.tracing.target_btf_id, 0U);
  EXPECT_EQ(attr.detail.tracing.cookie, 77U);
}

TEST_F(TraceTest, SecurityHooksAreThoseOfBpf) {
  const auto syscalls = KernelWithTrampolines();
  auto objects = TryLoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_lsm"});
  if (!objects) {  // the kernel's BTF has no bpf_lsm_*
    EXPECT_EQ(objects.error().code(), ErrorCode::kNotFound);
    EXPECT_THAT(objects.error().message(), HasSubstr("no LSM hook file_open"));
    return;
  }
  const auto load = syscalls->CallsOf(Command::kProgramLoad).back().As<ProgramLoadAttr>();
  EXPECT_EQ(load.expected_attach_type, 27U);
  EXPECT_EQ(backend_->kernel().Types().value()->NameOf(btf::TypeId{load.attach_btf_id}), "bpf_lsm_file_open");
  ASSERT_TRUE(AttachTrace(ProgramOf(*objects, "on_lsm")));
}

TEST_F(TraceTest, FreplaceIsLoadedForAFunctionOfAnotherProgram) {
  const auto syscalls = KernelWithTrampolines();
  const auto backend = OpenKernelBackend({.syscalls = syscalls}).value();
  auto target = LoadOn(backend, {"calls_replaceable"});
  LoadOptions options;
  options.attach_programs["replaces"] = ProgramOf(target, "calls_replaceable").backend_program();
  auto objects = TryLoadOn(backend, {"replaces"}, options);
  ASSERT_TRUE(objects) << objects.error().message();
  const auto load = syscalls->CallsOf(Command::kProgramLoad).back().As<ProgramLoadAttr>();
  EXPECT_EQ(load.prog_type, 28U);  // BPF_PROG_TYPE_EXT
  EXPECT_NE(load.attach_fd, 0U);
  EXPECT_EQ(target.spec().types->NameOf(btf::TypeId{load.attach_btf_id}), "replaceable");
  ASSERT_TRUE(AttachFreplace(ProgramOf(*objects, "replaces")));
  EXPECT_EQ(syscalls->CallsOf(Command::kRawTracepointOpen).back().As<RawTracepointAttr>().name, 0U);
}

TEST_F(TraceTest, FreplaceMayTakeThePlaceInYetAnotherProgram) {
  const auto syscalls = KernelWithTrampolines();
  const auto backend = OpenKernelBackend({.syscalls = syscalls}).value();
  auto target = LoadOn(backend, {"calls_replaceable"});
  auto other = LoadOn(backend, {"calls_replaceable"});
  LoadOptions options;
  options.attach_programs["replaces"] = ProgramOf(target, "calls_replaceable").backend_program();
  auto objects = TryLoadOn(backend, {"replaces"}, options).value();
  const Program& elsewhere = ProgramOf(other, "calls_replaceable");
  ASSERT_TRUE(AttachFreplace(ProgramOf(objects, "replaces"), {.cookie = 3, .target = &elsewhere}));
  const auto attr = syscalls->CallsOf(Command::kLinkCreate).back().As<LinkCreateAttr>();
  EXPECT_NE(attr.target, 0U);
  EXPECT_EQ(other.spec().types->NameOf(btf::TypeId{attr.detail.tracing.target_btf_id}), "replaceable");
  EXPECT_EQ(attr.detail.tracing.cookie, 3U);
  EXPECT_EQ(syscalls->CallsOf(Command::kProgramOpenById).back().As<kernel::IdAttr>().id, elsewhere.info().id);
  const Error error =
      ErrorOf(AttachFreplace(ProgramOf(objects, "replaces"), {.target = &elsewhere, .function = "replacable"}));
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_THAT(error.message(), HasSubstr("has no function \"replacable\" (there is replaceable)"));
}

TEST_F(TraceTest, FreplaceWithoutAProgramSaysWhereToNameIt) {
  const Error error = ErrorOf(TryLoadOn(backend_, {"replaces"}));
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message(), HasSubstr("name that one in LoadOptions::attach_programs"));
}

TEST_F(TraceTest, FreplaceIsRefusedByThisKernelWithoutAGuess) {
  auto target = Load({"calls_replaceable"});
  LoadOptions options;
  options.attach_programs["replaces"] = ProgramOf(target, "calls_replaceable").backend_program();
  auto objects = TryLoadOn(backend_, {"replaces"}, options);
  if (objects) {
    EXPECT_TRUE(AttachFreplace(ProgramOf(*objects, "replaces")));
    return;
  }
  EXPECT_THAT(objects.error().message(), Not(HasSubstr("memlock")));
  EXPECT_THAT(objects.error().message(), Not(HasSubstr("needs CAP_")));
}

TEST_F(TraceTest, AProgramThatHooksNothingByBtfIsRefused) {
  auto objects = Load({"on_uprobe"});
  const Error error = ErrorOf(AttachTrace(ProgramOf(objects, "on_uprobe")));
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message(), HasSubstr("program on_uprobe: section uprobe names nothing that is hooked by BTF"));
}

}  // namespace
}  // namespace strata::testing
