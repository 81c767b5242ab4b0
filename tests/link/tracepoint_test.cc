// Tracepoints of three kinds, and what is said of those that do not exist.
#include <cerrno>

#include "tracing_fixture.h"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TracepointTest : public LinkTracingTest {};

TEST_F(TracepointTest, RunsWhenTheKernelPassesIt) {
  STRATA_NEEDS_TRACEFS();
  auto objects = Load({"on_tracepoint"});
  auto link = AttachTracepoint(ProgramOf(objects, "on_tracepoint"), "syscalls", "sys_enter_getppid", {.cookie = 64});
  ASSERT_TRUE(link) << link.error().message();
  CallGetppid();
  CallGetppid();
  EXPECT_EQ(Read(objects, "hits"), 2U);
  EXPECT_EQ(Read(objects, "cookies"), 64U);
  ASSERT_TRUE(std::move(*link).Detach());
  CallGetppid();
  EXPECT_EQ(Read(objects, "hits"), 2U);
}

TEST_F(TracepointTest, IsDisabledAndEnabled) {
  STRATA_NEEDS_TRACEFS();
  auto objects = Load({"on_tracepoint"});
  auto link = AttachTracepoint(ProgramOf(objects, "on_tracepoint"), "syscalls", "sys_enter_getppid").value();
  ASSERT_TRUE(link.SetEnabled(false));
  CallGetppid();
  EXPECT_EQ(Read(objects, "hits"), 0U);
  ASSERT_TRUE(link.SetEnabled(true));
  CallGetppid();
  EXPECT_EQ(Read(objects, "hits"), 1U);
}

TEST_F(TracepointTest, TellsWhatItIs) {
  STRATA_NEEDS_TRACEFS();
  auto objects = Load({"on_tracepoint"});
  const auto link =
      AttachTracepoint(ProgramOf(objects, "on_tracepoint"), "syscalls", "sys_enter_getppid", {.cookie = 5}).value();
  const LinkInfo info = OpenedInfo(backend_, link);
  EXPECT_EQ(info.kind, "tracepoint");
  EXPECT_EQ(info.name, "sys_enter_getppid");
  EXPECT_EQ(info.cookie, 5U);
  EXPECT_EQ(info.program_id, ProgramOf(objects, "on_tracepoint").info().id);
  EXPECT_EQ(link.Info()->kind, "tracepoint");
}

TEST_F(TracepointTest, OneThatDoesNotExistHasASimilarName) {
  STRATA_NEEDS_TRACEFS();
  auto objects = Load({"on_tracepoint"});
  const Program& program = ProgramOf(objects, "on_tracepoint");
  const Error name = ErrorOf(AttachTracepoint(program, "syscalls", "sys_enter_getpppid"));
  EXPECT_EQ(name.code(), ErrorCode::kNotFound);
  EXPECT_THAT(name.message(), HasSubstr("tracepoint syscalls/sys_enter_getpppid: this kernel has no tracepoint "
                                        "sys_enter_getpppid in category syscalls (there is sys_enter_getppid)"));
  const Error category = ErrorOf(AttachTracepoint(program, "syscals", "sys_enter_getppid"));
  EXPECT_EQ(category.code(), ErrorCode::kNotFound);
  EXPECT_THAT(category.message(), HasSubstr("no tracepoint category syscals (there is syscalls)"));
}

TEST_F(TracepointTest, NamesThatLeaveTheFolderAreRefused) {
  auto objects = Load({"on_tracepoint"});
  for (const char* name : {"", "..", "../sched/sched_switch"}) {
    const Error error = ErrorOf(AttachTracepoint(ProgramOf(objects, "on_tracepoint"), "syscalls", name));
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << name;
    EXPECT_THAT(error.message(), HasSubstr("a tracepoint is named by CATEGORY/NAME"));
  }
}

TEST_F(TracepointTest, WithoutTracefsTheErrorHasTheCommand) {
  const auto backend = OpenKernelBackend({.tracefs = {"/nonexistent/tracing", "/nonexistent/debug"}}).value();
  auto objects = LoadOn(backend, {"on_tracepoint"});
  const Error error = ErrorOf(AttachTracepoint(ProgramOf(objects, "on_tracepoint"), "syscalls", "sys_enter_getppid"));
  EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
  EXPECT_THAT(error.message(), HasSubstr("tracefs is not mounted: mount -t tracefs tracefs /nonexistent/tracing"));
}

TEST_F(TracepointTest, AProgramOfAnotherTypeIsRefused) {
  auto objects = Load({"on_uprobe"});
  const Error error = ErrorOf(AttachTracepoint(ProgramOf(objects, "on_uprobe"), "syscalls", "sys_enter_getppid"));
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message(), HasSubstr("attach kind tracepoint: program on_uprobe is of type kprobe"));
}

TEST_F(TracepointTest, RawOnesGetTheArguments) {
  auto objects = Load({"on_raw_tracepoint"});
  const auto link = AttachRawTracepoint(ProgramOf(objects, "on_raw_tracepoint"), "sys_enter", {.cookie = 8});
  ASSERT_TRUE(link) << link.error().message();
  CallGetppid();
  EXPECT_EQ(Read(objects, "hits"), 1U);
  EXPECT_EQ(Read(objects, "cookies"), 8U);
  const LinkInfo info = OpenedInfo(backend_, *link);
  EXPECT_EQ(info.kind, "raw_tracepoint");
  EXPECT_EQ(info.name, "sys_enter");
  EXPECT_EQ(info.cookie, 8U);
}

TEST_F(TracepointTest, ARawOneThatDoesNotExistHasASimilarName) {
  auto objects = Load({"on_raw_tracepoint"});
  const Error error = ErrorOf(AttachRawTracepoint(ProgramOf(objects, "on_raw_tracepoint"), "sys_entre"));
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_THAT(error.message(), HasSubstr("raw_tracepoint sys_entre: this kernel has no such tracepoint (there is "));
}

TEST_F(TracepointTest, ARawOnesCookieIsRefusedBeforeLinux610) {
  auto syscalls =
      std::make_shared<kernel::FakeSyscalls>([](kernel::Command command, void* attr) -> std::optional<long> {
        const bool has_cookie = command == kernel::Command::kRawTracepointOpen &&
                                static_cast<kernel::RawTracepointAttr*>(attr)->cookie != 0;
        return has_cookie ? std::optional<long>(-E2BIG) : std::nullopt;
      });
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_raw_tracepoint"});
  const Program& program = ProgramOf(objects, "on_raw_tracepoint");
  const Error error = ErrorOf(AttachRawTracepoint(program, "sys_enter", {.cookie = 8}));
  EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
  EXPECT_THAT(error.message(), HasSubstr("a cookie there needs Linux 6.10"));
  EXPECT_TRUE(AttachRawTracepoint(program, "sys_enter"));
}

TEST_F(TracepointTest, TypedOnesAreAttachedByTheProgramAlone) {
  auto syscalls = std::make_shared<kernel::FakeSyscalls>();
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_typed_tracepoint"});
  const auto link = AttachTrace(ProgramOf(objects, "on_typed_tracepoint"));
  ASSERT_TRUE(link) << link.error().message();
  CallGetppid();
  EXPECT_EQ(Read(objects, "hits"), 1U);
  const auto attr = syscalls->CallsOf(kernel::Command::kRawTracepointOpen).back().As<kernel::RawTracepointAttr>();
  EXPECT_EQ(attr.name, 0U);
  EXPECT_EQ(OpenedInfo(backend_, *link).name, "sys_enter");
  EXPECT_EQ(link->Info()->kind, "tp_btf");
}

TEST_F(TracepointTest, TypedOnesTakeACookieByLinkCreate) {
  auto syscalls = std::make_shared<kernel::FakeSyscalls>();
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_typed_tracepoint"});
  const auto link = AttachTrace(ProgramOf(objects, "on_typed_tracepoint"), {.cookie = 2});
  ASSERT_TRUE(link) << link.error().message();
  CallGetppid();
  EXPECT_EQ(Read(objects, "cookies"), 2U);
  const auto attr = syscalls->CallsOf(kernel::Command::kLinkCreate).back().As<kernel::LinkCreateAttr>();
  EXPECT_EQ(attr.attach_type, 23U);  // BPF_TRACE_RAW_TP
  EXPECT_EQ(attr.target, 0U);
  EXPECT_EQ(attr.detail.tracing.cookie, 2U);
}

}  // namespace
}  // namespace strata::testing
