#include "every_link.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace strata::testing {
namespace {

// Where uprobes go; nobody calls it.
extern "C" [[gnu::noinline]] void strata_every_link_place() { asm volatile(""); }

Result<Executable> Self() { return OpenExecutable("/proc/self/exe"); }

constexpr std::string_view kPlace = "strata_every_link_place";

constexpr LinkKindRow kRows[] = {
    {"uprobe", "tracing", "on_uprobe", "", false, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> {
       return STRATA_TRY(STRATA_TRY(Self()).AttachUprobe(kPlace, program));
     }},
    {"uretprobe", "tracing", "on_uretprobe", "", false, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> {
       return STRATA_TRY(STRATA_TRY(Self()).AttachUretprobe(kPlace, program));
     }},
    {"uprobe_multi", "tracing", "on_uprobes", "", false, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> {
       return STRATA_TRY(STRATA_TRY(Self()).AttachUprobes(program, {.symbols = {std::string(kPlace)}}));
     }},
    {"uretprobe_multi", "tracing", "on_uretprobes", "", false, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> {
       return STRATA_TRY(STRATA_TRY(Self()).AttachUprobes(program, {.symbols = {std::string(kPlace)}}));
     }},
    {"uprobe_session", "tracing", "on_session", "uprobe_multi", false, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> {
       return STRATA_TRY(STRATA_TRY(Self()).AttachUprobes(program, {.symbols = {std::string(kPlace)}}));
     }},
    {"tracepoint", "tracing", "on_tracepoint", "", false, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> {
       return STRATA_TRY(AttachTracepoint(program, "syscalls", "sys_enter_getppid"));
     }},
    {"raw_tracepoint", "tracing", "on_raw_tracepoint", "", false, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> {
       return STRATA_TRY(AttachRawTracepoint(program, "sys_enter"));
     }},
    {"tp_btf", "tracing", "on_typed_tracepoint", "raw_tracepoint", false, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> { return STRATA_TRY(AttachTrace(program)); }},
    {"perf_event", "tracing", "on_sample", "", false, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> {
       return STRATA_TRY(AttachPerfEvent(program, SoftwareEvent::kPageFaults, {.tid = ::getpid(), .cpu = -1}));
     }},
    {"iter", "tracing", "lists_tasks", "", true, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> { return STRATA_TRY(AttachIterator(program)); }},
    {"xdp", "interfaces", "counts", "", true, true,
     [](EveryLinkTest&, const Program& program) -> Result<Link> { return STRATA_TRY(AttachXdp(program, "lo")); }},
    {"tcx", "interfaces", "first", "", true, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> { return STRATA_TRY(AttachTcx(program, "lo")); }},
    {"cgroup", "cgroups", "counts", "", true, false,
     [](EveryLinkTest& test, const Program& program) -> Result<Link> {
       return STRATA_TRY(AttachCgroup(program, test.cgroup()));
     }},
    {"sk_lookup", "namespaces", "refuses", "", true, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> { return STRATA_TRY(AttachSkLookup(program)); }},
    {"flow_dissector", "namespaces", "dissects", "", true, true,
     [](EveryLinkTest&, const Program& program) -> Result<Link> { return STRATA_TRY(AttachFlowDissector(program)); }},
    {"netfilter", "namespaces", "filters", "", false, false,
     [](EveryLinkTest&, const Program& program) -> Result<Link> { return STRATA_TRY(AttachNetfilter(program, {})); }},
    {"sockmap", "sockets", "passes", "", true, true,
     [](EveryLinkTest& test, const Program& program) -> Result<Link> {
       return STRATA_TRY(AttachSockMap(program, test.MapOf("sockets", "streams")));
     }},
};

struct ObjectRow {
  std::string_view name;
  const char* path;
};
constexpr ObjectRow kObjects[] = {
    {"tracing", STRATA_BPF_TRACING_OF_EVERY_LINK},
    {"interfaces", STRATA_BPF_INTERFACES},
    {"cgroups", STRATA_BPF_CGROUP_PROGRAMS},
    {"namespaces", STRATA_BPF_NAMESPACES},
    {"sockets", STRATA_BPF_SOCKETS},
};

}  // namespace

std::span<const LinkKindRow> LinkKindRows() { return kRows; }

void EveryLinkTest::SetUp() {
  NetworkTest::SetUp();
  if (IsSkipped() || HasFatalFailure()) return;
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << std::strerror(errno);
  ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << std::strerror(errno);
  ASSERT_EQ(::mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr), 0) << std::strerror(errno);
  // EBUSY: it is there already.
  has_mounted_tracefs_ = ::mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, nullptr) == 0;
  ASSERT_TRUE(has_mounted_tracefs_ || errno == EBUSY) << std::strerror(errno);
  ASSERT_EQ(::mount("strata", "/sys/fs/cgroup", "cgroup2", 0, nullptr), 0) << std::strerror(errno);
  cgroup_ = "/sys/fs/cgroup/strata-links-" + std::to_string(::getpid());
  ASSERT_EQ(::mkdir(cgroup_.c_str(), 0700), 0) << std::strerror(errno);
}

void EveryLinkTest::TearDown() {
  if (cgroup_.empty()) return;
  EXPECT_EQ(::rmdir(cgroup_.c_str()), 0) << std::strerror(errno);
  EXPECT_EQ(::umount2("/sys/fs/cgroup", MNT_DETACH), 0) << std::strerror(errno);
  if (has_mounted_tracefs_) {
    EXPECT_EQ(::umount2("/sys/kernel/tracing", MNT_DETACH), 0) << std::strerror(errno);
  }
  EXPECT_EQ(::umount2("/sys/fs/bpf", MNT_DETACH), 0) << std::strerror(errno);
}

// Programs that this kernel refuses (fentry and the like) are left out.
Result<Collection> EveryLinkTest::LoadFor(std::string_view object) {
  const auto* row = std::find_if(std::begin(kObjects), std::end(kObjects),
                                 [&](const ObjectRow& candidate) { return candidate.name == object; });
  LoadOptions options;
  for (const LinkKindRow& kind : kRows) {
    if (kind.object == object) options.programs.emplace_back(kind.program);
  }
  return LoadCollection(backend_, std::string(row->path), std::move(options));
}

EveryLinkTest::Pair& EveryLinkTest::ObjectsOf(std::string_view name) {
  for (Pair& pair : objects_) {
    if (pair.name == name) return pair;
  }
  return objects_.emplace_back(Pair{std::string(name), LoadFor(name).value(), LoadFor(name).value()});
}

}  // namespace strata::testing
