// Many probes by one link: entries, returns, both; and what kernels without such links do.
#include <cerrno>

#include "traced_functions.h"
#include "tracing_fixture.h"

namespace strata::testing {
namespace {

using kernel::Command;
using kernel::LinkCreateAttr;
using ::testing::HasSubstr;

class UprobeMultiTest : public LinkTracingTest {
 protected:
  void SetUp() override {
    LinkTracingTest::SetUp();
    auto self = OpenExecutable("/proc/self/exe");
    ASSERT_TRUE(self) << self.error().message();
    self_.emplace(*std::move(self));
  }
  const Executable& self() const { return *self_; }

  std::optional<Executable> self_;
};

void CallAll() {
  EXPECT_EQ(strata_traced_one(1), 10);
  EXPECT_EQ(strata_traced_two(2), 20);
  EXPECT_EQ(strata_traced_three(3), 30);
}

// A kernel that knows neither links nor programs of that attach type; of programs it ignores what it does not know.
kernel::FakeSyscalls::Answer Without(AttachType unknown) {
  return [unknown](Command command, void* attr) -> std::optional<long> {
    if (command == Command::kProgramLoad) {
      std::uint32_t& type = static_cast<kernel::ProgramLoadAttr*>(attr)->expected_attach_type;
      if (static_cast<AttachType>(type) == unknown) type = 0;
    }
    const bool refuses = command == Command::kLinkCreate &&
                         static_cast<AttachType>(static_cast<LinkCreateAttr*>(attr)->attach_type) == unknown;
    return refuses ? std::optional<long>(-EINVAL) : std::nullopt;
  };
}

TEST_F(UprobeMultiTest, SymbolsAreProbedWithACookieEach) {
  auto objects = Load({"on_uprobes"});
  const auto link = self().AttachUprobes(
      ProgramOf(objects, "on_uprobes"),
      {.symbols = {"strata_traced_one", "strata_traced_three"}, .cookies = {1, 4}, .pid = ::getpid()});
  ASSERT_TRUE(link) << link.error().message();
  CallAll();
  EXPECT_EQ(Read(objects, "hits"), 2U);
  EXPECT_EQ(Read(objects, "cookies"), 5U);
}

TEST_F(UprobeMultiTest, APatternFindsItsFunctions) {
  auto objects = Load({"on_uprobes"});
  const auto link =
      self().AttachUprobes(ProgramOf(objects, "on_uprobes"), {.pattern = "strata_traced_t*", .pid = ::getpid()});
  ASSERT_TRUE(link) << link.error().message();
  CallAll();
  EXPECT_EQ(Read(objects, "hits"), 2U);
  const LinkInfo info = OpenedInfo(backend_, *link);
  EXPECT_EQ(info.kind, "uprobe_multi");
  EXPECT_EQ(info.place_count, 2U);
  EXPECT_EQ(info.pid, ::getpid());
  EXPECT_THAT(info.path, HasSubstr("link_tracing_test"));
}

TEST_F(UprobeMultiTest, ReturnsAreSeen) {
  auto objects = Load({"on_uretprobes"});
  const auto link = self().AttachUprobes(ProgramOf(objects, "on_uretprobes"), {.pattern = "strata_traced_*"});
  ASSERT_TRUE(link) << link.error().message();
  CallAll();
  EXPECT_EQ(Read(objects, "returns"), 3U);
  EXPECT_EQ(link->Info()->kind, "uretprobe_multi");
}

TEST_F(UprobeMultiTest, InASessionTheReturnSeesWhatTheEntryLeft) {
  auto objects = Load({"on_session"});
  const auto link = self().AttachUprobes(
      ProgramOf(objects, "on_session"),
      {.symbols = {"strata_traced_one", "strata_traced_two"}, .cookies = {1, 2}, .pid = ::getpid()});
  ASSERT_TRUE(link) << link.error().message();
  CallAll();
  EXPECT_EQ(Read(objects, "hits"), 2U);
  EXPECT_EQ(Read(objects, "returns"), 2U);
  EXPECT_EQ(Read(objects, "mismatches"), 0U);
  EXPECT_EQ(Read(objects, "return_cookies"), 3U);
}

TEST_F(UprobeMultiTest, InASessionTheEntryMaySkipTheReturn) {
  auto objects = Load({"on_session"});
  ASSERT_TRUE(objects.FindVariable("skip_returns")->Set(std::uint64_t{1}));
  const auto link =
      self().AttachUprobes(ProgramOf(objects, "on_session"), {.pattern = "strata_traced_*", .pid = ::getpid()});
  ASSERT_TRUE(link) << link.error().message();
  CallAll();
  EXPECT_EQ(Read(objects, "hits"), 3U);
  EXPECT_EQ(Read(objects, "returns"), 0U);
}

TEST_F(UprobeMultiTest, TheKernelGetsColumns) {
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint64_t> counters;
  const auto syscalls = std::make_shared<kernel::FakeSyscalls>([&](Command command, void* attr) -> std::optional<long> {
    if (command != Command::kLinkCreate) return std::nullopt;
    const auto& multi = static_cast<LinkCreateAttr*>(attr)->detail.uprobe_multi;
    const auto* offset = reinterpret_cast<const std::uint64_t*>(multi.offsets);
    const auto* counter = reinterpret_cast<const std::uint64_t*>(multi.ref_ctr_offsets);
    offsets.assign(offset, offset + multi.count);
    counters.assign(counter, counter + multi.count);
    return -EBADF;
  });
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_uprobes"});
  const Error error = ErrorOf(self().AttachUprobes(
      ProgramOf(objects, "on_uprobes"),
      {.file_offsets = {0x100, 0x200}, .ref_ctr_file_offsets = {0x4000, 0}, .moment = ProbeMoment::kReturn}));
  EXPECT_EQ(error.sys_errno(), EBADF);
  EXPECT_THAT(offsets, ::testing::ElementsAre(0x100, 0x200));
  EXPECT_THAT(counters, ::testing::ElementsAre(0x4000, 0));
  const auto attr = syscalls->CallsOf(Command::kLinkCreate).back().As<LinkCreateAttr>();
  EXPECT_EQ(attr.attach_type, 48U);  // BPF_TRACE_UPROBE_MULTI
  EXPECT_EQ(attr.target, 0U);
  EXPECT_EQ(attr.detail.uprobe_multi.count, 2U);
  EXPECT_EQ(attr.detail.uprobe_multi.flags, 1U);  // BPF_F_UPROBE_MULTI_RETURN
  EXPECT_EQ(attr.detail.uprobe_multi.pid, 0U);
  EXPECT_EQ(attr.detail.uprobe_multi.cookies, 0U);
}

TEST_F(UprobeMultiTest, BeforeLinux66EachPlaceHasAProbe) {
  auto syscalls = std::make_shared<TracingSyscalls>(Without(AttachType::kTraceUprobeMulti));
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_uprobes", "on_uretprobes"});
  auto entries = self().AttachUprobes(
      ProgramOf(objects, "on_uprobes"),
      {.symbols = {"strata_traced_one", "strata_traced_two"}, .cookies = {1, 2}, .pid = ::getpid()});
  ASSERT_TRUE(entries) << entries.error().message();
  auto returns =
      self().AttachUprobes(ProgramOf(objects, "on_uretprobes"), {.pattern = "strata_traced_*", .pid = ::getpid()});
  ASSERT_TRUE(returns) << returns.error().message();
  EXPECT_EQ(syscalls->Events().size(), 5U);
  EXPECT_EQ(entries->Info()->kind, "uprobe_multi");
  EXPECT_EQ(entries->Info()->place_count, 2U);
  CallAll();
  EXPECT_EQ(Read(objects, "hits"), 2U);
  EXPECT_EQ(Read(objects, "cookies"), 3U);
  EXPECT_EQ(Read(objects, "returns"), 3U);
  ASSERT_TRUE(std::move(*entries).Detach());
  CallAll();
  EXPECT_EQ(Read(objects, "hits"), 2U);
}

// The program calls functions that only session programs may call, so it is loaded as what it is.
kernel::FakeSyscalls::Answer WithoutLinks(AttachType unknown) {
  return [without = Without(unknown)](Command command, void* attr) {
    return command == Command::kProgramLoad ? std::nullopt : without(command, attr);
  };
}

TEST_F(UprobeMultiTest, BeforeLinux613ThereAreNoSessions) {
  auto syscalls = std::make_shared<kernel::FakeSyscalls>(WithoutLinks(AttachType::kTraceUprobeSession));
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_session"});
  const Error error = ErrorOf(self().AttachUprobes(ProgramOf(objects, "on_session"), {.pattern = "strata_traced_*"}));
  EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
  EXPECT_THAT(error.message(), HasSubstr("uprobe_session of 3 places"));
  EXPECT_THAT(error.message(), HasSubstr("needs Linux 6.13"));
}

TEST_F(UprobeMultiTest, AnOffsetThatTheKernelRefusesIsNoReasonToFallBack) {
  auto syscalls = std::make_shared<TracingSyscalls>();
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_uprobes"});
  const Error error =
      ErrorOf(self().AttachUprobes(ProgramOf(objects, "on_uprobes"), {.file_offsets = {0x7fffffffffff0000}}));
  EXPECT_EQ(error.sys_errno(), EINVAL) << error.message();
  EXPECT_TRUE(syscalls->Events().empty());
}

TEST_F(UprobeMultiTest, PlacesThatAreNoneAreRefused) {
  auto objects = Load({"on_uprobes"});
  const Program& program = ProgramOf(objects, "on_uprobes");
  const auto error_of = [&](const UprobesOptions& options) { return ErrorOf(self().AttachUprobes(program, options)); };
  EXPECT_EQ(error_of({}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of({.symbols = {"strata_traced_one"}, .pattern = "*"}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of({.pattern = "strata_traced_*", .cookies = {1}}).code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error_of({.symbols = {"strata_traced_one"}, .cookies = {1, 2}}).message(),
              HasSubstr("2 cookies for 1 places"));
  const Error none = error_of({.pattern = "strata_traced_no*"});
  EXPECT_EQ(none.code(), ErrorCode::kNotFound);
  EXPECT_THAT(none.message(), HasSubstr("no function matches strata_traced_no*"));
  EXPECT_THAT(error_of({.symbols = {"strata_traced_on"}}).message(), HasSubstr("(there is strata_traced_one)"));
}

}  // namespace
}  // namespace strata::testing
