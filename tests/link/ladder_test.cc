// How perf events are bound on kernels without BPF links, and made on kernels without the source for them.
#include <linux/perf_event.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "traced_functions.h"
#include "tracing_fixture.h"

namespace strata::testing {
namespace {

using kernel::Command;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class LadderTest : public LinkTracingTest {
 protected:
  static Result<Uprobe> AttachOne(Collection& objects, const UprobeOptions& options = {.pid = ::getpid()}) {
    return OpenExecutable("/proc/self/exe")
        ->AttachUprobe("strata_traced_one", ProgramOf(objects, "on_uprobe"), options);
  }
  // A kernel before Linux 4.17 in this respect: no event sources.
  static std::shared_ptr<Backend> OpenWithoutSources(std::shared_ptr<kernel::FakeSyscalls> syscalls = nullptr) {
    return OpenKernelBackend({.syscalls = std::move(syscalls), .event_sources = "/nonexistent"}).value();
  }
};

std::vector<std::string> OwnDynamicEvents() {
  std::vector<std::string> own;
  std::ifstream file("/sys/kernel/tracing/uprobe_events");
  const std::string mark = "strata/p" + std::to_string(::getpid()) + "_";
  for (std::string line; std::getline(file, line);) {
    if (line.find(mark) != std::string::npos) own.push_back(line);
  }
  return own;
}

TEST_F(LadderTest, WithoutPerfLinksTheIoctlBinds) {
  auto syscalls = std::make_shared<TracingSyscalls>(Refuse(Command::kLinkCreate, -EINVAL));
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_uprobe"});
  auto link = AttachOne(objects);
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_THAT(syscalls->Ioctls(), ElementsAre(PERF_EVENT_IOC_SET_BPF, PERF_EVENT_IOC_ENABLE));
  strata_traced_one(1);
  EXPECT_EQ(Read(objects, "hits"), 1U);
  ASSERT_TRUE(link->SetEnabled(false));
  strata_traced_one(1);
  EXPECT_EQ(Read(objects, "hits"), 1U);
  ASSERT_TRUE(link->SetEnabled(true));
  strata_traced_one(1);
  EXPECT_EQ(Read(objects, "hits"), 2U);
  ASSERT_TRUE(std::move(*link).Detach());
  strata_traced_one(1);
  EXPECT_EQ(Read(objects, "hits"), 2U);
}

TEST_F(LadderTest, WhatTheIoctlBoundIsDescribedFromItsTarget) {
  auto syscalls = std::make_shared<TracingSyscalls>(Refuse(Command::kLinkCreate, -EINVAL));
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_uprobe"});
  const auto link = AttachOne(objects).value();
  const LinkInfo info = link.Info().value();
  EXPECT_EQ(info.id, 0U);
  EXPECT_EQ(info.kind, "uprobe");
  EXPECT_EQ(info.pid, ::getpid());
  EXPECT_EQ(info.program_id, ProgramOf(objects, "on_uprobe").info().id);
  Uprobe other = AttachOne(objects).value();
  EXPECT_EQ(other.Pin("/sys/fs/bpf/never").error().code(), ErrorCode::kNotSupported);
  EXPECT_EQ(other.Update(ProgramOf(objects, "on_uprobe")).error().code(), ErrorCode::kNotSupported);
}

TEST_F(LadderTest, TheKernelIsAskedForPerfLinksOnce) {
  auto syscalls = std::make_shared<TracingSyscalls>(Refuse(Command::kLinkCreate, -EINVAL));
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_uprobe"});
  const auto first = AttachOne(objects);
  const auto second = AttachOne(objects);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(syscalls->CallsOf(Command::kLinkCreate).size(), 2U) << "for the first link, and whether there are any";
}

TEST_F(LadderTest, ACookieNeedsPerfLinks) {
  auto syscalls = std::make_shared<TracingSyscalls>(Refuse(Command::kLinkCreate, -EINVAL));
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_uprobe"});
  for (int round = 0; round < 2; ++round) {  // found out, then known
    const Error error = ErrorOf(AttachOne(objects, {.pid = ::getpid(), .cookie = 1}));
    EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
    EXPECT_THAT(error.message(), HasSubstr("a cookie of a perf event needs Linux 5.15"));
  }
  strata_traced_one(1);
  EXPECT_EQ(Read(objects, "hits"), 0U);
}

TEST_F(LadderTest, AProgramThatALinkDoesNotTakeIsNoReasonToFallBack) {
  // What asks whether there are such links names no event; that goes to the kernel.
  int links_tried = 0;
  auto syscalls = std::make_shared<TracingSyscalls>([&](Command command, void* attr) -> std::optional<long> {
    if (command != Command::kLinkCreate) return std::nullopt;
    if (static_cast<kernel::LinkCreateAttr*>(attr)->target == UINT32_MAX) return std::nullopt;
    ++links_tried;
    return -EINVAL;
  });
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_uprobe"});
  for (int round = 0; round < 2; ++round) EXPECT_EQ(ErrorOf(AttachOne(objects)).sys_errno(), EINVAL);
  EXPECT_EQ(links_tried, 2);
  EXPECT_THAT(syscalls->Ioctls(), IsEmpty());
}

TEST_F(LadderTest, WhatTheIoctlRefusesIsSaid) {
  auto syscalls = std::make_shared<TracingSyscalls>(Refuse(Command::kLinkCreate, -EINVAL));
  syscalls->on_ioctl = [](unsigned long) { return -EEXIST; };
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_uprobe"});
  const Error error = ErrorOf(AttachOne(objects));
  EXPECT_EQ(error.sys_errno(), EEXIST);
  EXPECT_THAT(error.message(), HasSubstr("binding program on_uprobe to the perf event by ioctl"));
}

TEST_F(LadderTest, OtherErrorsOfTheLinkAreNoReasonToFallBack) {
  auto syscalls = std::make_shared<TracingSyscalls>(Refuse(Command::kLinkCreate, -EBUSY));
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_uprobe"});
  EXPECT_EQ(ErrorOf(AttachOne(objects)).sys_errno(), EBUSY);
  EXPECT_THAT(syscalls->Ioctls(), IsEmpty());
}

TEST_F(LadderTest, TracepointsAreBoundByIoctlToo) {
  STRATA_NEEDS_TRACEFS();
  auto syscalls = std::make_shared<TracingSyscalls>(Refuse(Command::kLinkCreate, -EINVAL));
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_tracepoint"});
  const auto link = AttachTracepoint(ProgramOf(objects, "on_tracepoint"), "syscalls", "sys_enter_getppid");
  ASSERT_TRUE(link) << link.error().message();
  CallGetppid();
  EXPECT_EQ(Read(objects, "hits"), 1U);
}

TEST_F(LadderTest, WithoutTheSourceTracefsMakesTheEvent) {
  STRATA_NEEDS_TRACEFS();
  auto objects = LoadOn(OpenWithoutSources(), {"on_uprobe", "on_uretprobe"});
  auto link = AttachOne(objects);
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_THAT(OwnDynamicEvents(), ElementsAre(HasSubstr(" /proc/self/exe:0x")));
  auto at_return = OpenExecutable("/proc/self/exe")
                       ->AttachUretprobe("strata_traced_one", ProgramOf(objects, "on_uretprobe"), {.pid = ::getpid()});
  ASSERT_TRUE(at_return) << at_return.error().message();
  EXPECT_EQ(OwnDynamicEvents().size(), 2U) << "events of one process have names of their own";
  strata_traced_one(1);
  EXPECT_EQ(Read(objects, "hits"), 1U);
  EXPECT_EQ(Read(objects, "returns"), 1U);
  ASSERT_TRUE(std::move(*link).Detach());
  ASSERT_TRUE(std::move(*at_return).Detach());
  EXPECT_THAT(OwnDynamicEvents(), IsEmpty());
  strata_traced_one(1);
  EXPECT_EQ(Read(objects, "hits"), 1U);
}

TEST_F(LadderTest, AKernelWithNeitherSourcesNorLinksTraces) {
  STRATA_NEEDS_TRACEFS();
  auto syscalls = std::make_shared<TracingSyscalls>(Refuse(Command::kLinkCreate, -EINVAL));
  auto objects = LoadOn(OpenWithoutSources(syscalls), {"on_uprobe"});
  {
    auto link = AttachOne(objects);
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_EQ(syscalls->Events().back().attributes.type, static_cast<std::uint32_t>(PERF_TYPE_TRACEPOINT));
    strata_traced_one(1);
    EXPECT_EQ(Read(objects, "hits"), 1U);
    ASSERT_TRUE(link->SetEnabled(false));
    EXPECT_THAT(OwnDynamicEvents(), IsEmpty());
    ASSERT_TRUE(link->SetEnabled(true));
    strata_traced_one(1);
    EXPECT_EQ(Read(objects, "hits"), 2U);
  }
  EXPECT_THAT(OwnDynamicEvents(), IsEmpty());
}

TEST_F(LadderTest, AFailureLeavesNoEvent) {
  STRATA_NEEDS_TRACEFS();
  auto syscalls = std::make_shared<TracingSyscalls>();
  syscalls->on_event = [](const TracingSyscalls::Event&) { return -EMFILE; };
  auto objects = LoadOn(OpenWithoutSources(syscalls), {"on_uprobe"});
  EXPECT_FALSE(AttachOne(objects));
  EXPECT_EQ(syscalls->Events().size(), 1U);
  EXPECT_THAT(OwnDynamicEvents(), IsEmpty());
}

TEST_F(LadderTest, TracefsIsAskedForACounterAsItWantsIt) {
  const std::string folder = "/tmp/strata-tracefs-" + std::to_string(::getpid());
  std::filesystem::create_directories(folder + "/events");
  std::ofstream(folder + "/uprobe_events") << "";
  const auto backend = OpenKernelBackend({.event_sources = "/nonexistent", .tracefs = {folder}}).value();
  auto objects = LoadOn(backend, {"on_uretprobe"});
  const auto link =
      OpenExecutable("/usr/bin/env")
          ->AttachUretprobe("0x1234", ProgramOf(objects, "on_uretprobe"), {.ref_ctr_file_offset = 0x4010});
  EXPECT_FALSE(link);  // the file makes no event of what is written
  std::ifstream file(folder + "/uprobe_events");
  std::string line;
  std::getline(file, line);
  EXPECT_THAT(line, ::testing::MatchesRegex("r:strata/p[0-9]+_[0-9]+ .*/env:0x1234\\(0x4010\\)"));
  std::filesystem::remove_all(folder);
}

TEST_F(LadderTest, UprobesTellWhatTheyAre) {
  auto objects = Load({"on_uprobe"});
  const auto link = AttachOne(objects, {.pid = ::getpid(), .cookie = 32}).value();
  strata_traced_one(1);
  EXPECT_EQ(Read(objects, "cookies"), 32U);
  const LinkInfo info = OpenedInfo(backend_, link);
  EXPECT_EQ(info.kind, "uprobe");
  EXPECT_EQ(info.cookie, 32U);
  EXPECT_NE(info.offset, 0U);
}

}  // namespace
}  // namespace strata::testing
