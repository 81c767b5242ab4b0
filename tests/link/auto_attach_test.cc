// Programs attached by their section names.
#include <unistd.h>

#include <filesystem>

#include "traced_functions.h"
#include "tracing_fixture.h"

namespace strata::testing {
namespace {

using kernel::Command;
using ::testing::HasSubstr;

class AutoAttachTest : public LinkTracingTest {};

TEST_F(AutoAttachTest, TracepointsRun) {
  STRATA_NEEDS_TRACEFS();
  for (const char* name : {"on_tracepoint", "on_raw_tracepoint", "on_typed_tracepoint"}) {
    auto objects = Load({name});
    const auto link = AutoAttach(ProgramOf(objects, name));
    ASSERT_TRUE(link) << name << ": " << link.error().message();
    CallGetppid();
    EXPECT_EQ(Read(objects, "hits"), 1U) << name;
  }
}

TEST_F(AutoAttachTest, PatternsOfUprobesRun) {
  struct Row {
    const char* program;
    const char* kind;
    std::uint64_t hits;
    std::uint64_t returns;
  };
  for (const Row& row : {Row{"on_uprobes", "uprobe_multi", 2, 0}, Row{"on_uretprobes", "uretprobe_multi", 0, 2},
                         Row{"on_session", "uprobe_session", 2, 2}}) {
    auto objects = Load({row.program});
    const auto link = AutoAttach(ProgramOf(objects, row.program), {.pid = ::getpid()});
    ASSERT_TRUE(link) << row.program << ": " << link.error().message();
    strata_traced_one(1);
    strata_traced_two(2);
    EXPECT_EQ(Read(objects, "hits"), row.hits) << row.program;
    EXPECT_EQ(Read(objects, "returns"), row.returns) << row.program;
    EXPECT_EQ(link->Info()->kind, row.kind);
    EXPECT_EQ(link->Info()->place_count, 3U);
  }
}

TEST_F(AutoAttachTest, IteratorsMayBeRead) {
  auto objects = Load({"lists_tasks"});
  const Iterator iterator(AutoAttach(ProgramOf(objects, "lists_tasks")).value());
  EXPECT_THAT(iterator.Open()->ReadAll().value(), HasSubstr("tgid " + std::to_string(::getpid()) + " "));
}

TEST_F(AutoAttachTest, ProgramsThatHookFunctionsAreLinked) {
  const auto syscalls =
      std::make_shared<kernel::FakeSyscalls>(Take({ProgramType::kTracing, ProgramType::kLsm, ProgramType::kExt}));
  const auto backend = OpenKernelBackend({.syscalls = syscalls}).value();
  auto target = LoadOn(backend, {"calls_replaceable"});
  for (const char* name : {"on_fentry", "on_fexit", "on_fmod_ret", "replaces"}) {
    LoadOptions options;
    options.attach_programs["replaces"] = ProgramOf(target, "calls_replaceable").backend_program();
    auto objects = TryLoadOn(backend, {name}, options).value();
    const auto link = AutoAttach(ProgramOf(objects, name));
    ASSERT_TRUE(link) << name << ": " << link.error().message();
    EXPECT_EQ(link->Info()->kind, ProgramOf(objects, name).spec().attach_kind);
  }
  EXPECT_EQ(syscalls->CallsOf(Command::kRawTracepointOpen).size(), 4U);
}

TEST_F(AutoAttachTest, KprobesFailAsWhenAttachedByHand) {
  if (::access("/sys/bus/event_source/devices/kprobe", F_OK) == 0) GTEST_SKIP() << "this kernel has kprobes";
  STRATA_NEEDS_TRACEFS();
  struct Row {
    const char* program;
    const char* text;
  };
  for (const Row& row : {Row{"on_kprobe", "section kprobe/do_nanosleep: kprobe do_nanosleep: this kernel has no"},
                         Row{"on_kretprobe", "kretprobe do_nanosleep: this kernel has no kprobes"},
                         Row{"on_ksyscall", "ksyscall __x64_sys_nanosleep: this kernel has no kprobes"},
                         Row{"on_kretsyscall", "kretsyscall __x64_sys_nanosleep: this kernel has no kprobes"},
                         Row{"on_kprobes", "kprobe_multi do_nanosl*: this kernel was built without CONFIG_FPROBE"},
                         Row{"on_kretprobes", "kretprobe_multi do_nanosl*: this kernel was built without"},
                         Row{"on_kprobe_session", "kprobe_session do_nanosl*: this kernel was built without"}}) {
    auto objects = Load({row.program});
    const Error error = ErrorOf(AutoAttach(ProgramOf(objects, row.program)));
    EXPECT_EQ(error.code(), ErrorCode::kNotSupported) << row.program;
    EXPECT_THAT(error.message(), HasSubstr(row.text));
  }
}

TEST_F(AutoAttachTest, ASectionWithoutAPlaceSaysWhatToWrite) {
  auto objects = Load({"on_tracepoint_without_name", "on_uprobe"});
  const Error tracepoint = ErrorOf(AutoAttach(ProgramOf(objects, "on_tracepoint_without_name")));
  EXPECT_EQ(tracepoint.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(tracepoint.message(), HasSubstr("program on_tracepoint_without_name: section tracepoint: names nothing "
                                              "to attach to; write SEC(\"tracepoint/CATEGORY/NAME\")"));
  EXPECT_EQ(ErrorOf(AutoAttach(ProgramOf(objects, "on_uprobe"))).code(), ErrorCode::kInvalidArgument);
}

TEST_F(AutoAttachTest, SectionsThatDoNotSayWhereAreRefused) {
  auto objects = Load({"on_sample"});
  const Error error = ErrorOf(AutoAttach(ProgramOf(objects, "on_sample")));
  EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
  EXPECT_THAT(error.message(), HasSubstr("section perf_event: cannot be attached by its section name"));
}

// Any program will do: the kind is looked at first.
TEST(AutoAttachInUserspace, KernelKindsAreRefusedByName) {
  const std::string folder = "/tmp/strata-links-" + std::to_string(::getpid());
  {
    const auto backend =
        OpenBackend("userspace", {.session = "links", .runtime_folder = folder, .agent_path = {}}).value();
    LinkedProgram linked;
    linked.name = "nothing";
    linked.type = ProgramType::kKprobe;
    linked.license = "GPL";
    linked.instructions = {{.opcode = 0xb7, .dst = 0, .src = 0, .offset = 0, .imm = 0},
                           {.opcode = 0x95, .dst = 0, .src = 0, .offset = 0, .imm = 0}};
    const auto program = backend->LoadProgram(linked).value();
    for (const char* kind : {"tracepoint", "raw_tracepoint", "tp_btf", "fentry", "lsm", "freplace", "iter",
                             "perf_event", "kprobe", "ksyscall", "kprobe_multi", "uprobe_multi", "uprobe_session"}) {
      AttachTarget target;
      target.kind = kind;
      const Error error = ErrorOf(backend->Attach(program, target, {}));
      EXPECT_EQ(error.code(), ErrorCode::kNotSupported) << kind;
      EXPECT_THAT(error.message(), HasSubstr(std::string("attach kind ") + kind + ": not on the userspace backend"));
    }
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace strata::testing
