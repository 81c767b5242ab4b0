// Descriptors and handles across exec and fork: nothing is inherited by a program that is started, and what a child
// does with its copies is the child's own affair.
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <list>
#include <set>
#include <vector>

#include "every_link.h"

namespace strata::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::set<int> OpenDescriptors() {
  std::set<int> open;
  DIR* folder = ::opendir("/proc/self/fd");
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] != '.') open.insert(std::atoi(entry->d_name));
  }
  open.erase(::dirfd(folder));
  ::closedir(folder);
  return open;
}

std::string TargetOf(int fd) {
  char target[256] = {};
  const ssize_t length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof(target) - 1);
  return length < 0 ? "" : target;
}

Map MakeMap(const std::shared_ptr<Backend>& backend, MapType type, std::uint32_t key_size, std::uint32_t value_size,
            std::uint32_t max_entries) {
  MapSpec spec;
  spec.name = "descriptors";
  spec.type = type;
  spec.key_size = key_size;
  spec.value_size = value_size;
  spec.max_entries = max_entries;
  return Map(backend, backend->CreateMap(spec, nullptr).value(), spec);
}

class Descriptors : public EveryLinkTest {};

TEST_F(Descriptors, AreClosedWhenAnotherProgramIsExecuted) {
  const std::set<int> before = OpenDescriptors();
  const auto backend = OpenBackend("kernel").value();
  std::vector<Link> links;
  for (const LinkKindRow& row : LinkKindRows()) links.push_back(Attach(row).value());
  const auto& iterator = *std::find_if(LinkKindRows().begin(), LinkKindRows().end(),
                                       [](const LinkKindRow& row) { return row.kind == "iter"; });
  const auto pass = AttachIterator(ProgramOf(iterator)).value().Open().value();
  const auto ring = RingReader::Open(MakeMap(backend, MapType::kRingBuf, 0, 0, 4096)).value();
  const Map perf_map = MakeMap(backend, MapType::kPerfEventArray, 4, 4, backend->possible_cpus());
  const auto samples = PerfReader::Open(perf_map).value();
  const auto writer = UserRingWriter::Open(MakeMap(backend, MapType::kUserRingBuf, 0, 0, 4096)).value();
  const auto poller = EventPoller::Make().value();
  const auto statistics = backend->EnableStats(StatsDetail::kTime).value();
  const Program opened = OpenProgram(backend, ProgramOf(iterator).info().id).value();
  const Map copy = perf_map.Clone();

  std::size_t made = 0;
  for (const int fd : OpenDescriptors()) {
    if (before.contains(fd)) continue;
    ++made;
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << fd << " -> " << TargetOf(fd);
  }
  EXPECT_GT(made, 40U);
}

// Whoever prints to them later would write into a BPF object.
TEST_F(Descriptors, OfStandardStreamsAreNeverThoseOfBpfObjects) {
  const auto& row = LinkKindRows().front();
  ProgramOf(row);
  EXPECT_EQ(InChild([&] {
              for (const int fd : {0, 1, 2}) ::close(fd);
              const Map map = MakeMap(backend_, MapType::kHash, 4, 4, 1);
              const auto link = Attach(row);
              const auto opened = OpenProgram(backend_, ProgramOf(row).info().id);
              if (!link || !opened) return 1;
              for (const int fd : {0, 1, 2}) {
                if (TargetOf(fd).find("bpf") != std::string::npos) return 2 + fd;
              }
              return 0;
            }),
            0);
}

class Fork : public EveryLinkTest {
 protected:
  // A child that destroys its copy of the handle.
  template <typename Handle>
  static void DropInChild(std::optional<Handle>& handle) {
    ASSERT_EQ(InChild([&] {
                handle.reset();
                return 0;
              }),
              0);
  }
  std::size_t CountOn(const std::string& cgroup) {
    return QueryCgroup(backend_, cgroup, AttachType::kCgroupInetEgress).value().programs.size();
  }
};

TEST_F(Fork, LinksStayAttachedWhenAChildDropsItsCopies) {
  std::list<std::optional<Link>> links;
  for (const LinkKindRow& row : LinkKindRows()) links.emplace_back(Attach(row).value());
  DropInChild(links.front());
  ASSERT_EQ(InChild([&] {
              links.clear();
              return 0;
            }),
            0);
  for (const auto& link : links) EXPECT_TRUE(OpenLink(backend_, link->id()));
  EXPECT_EQ(QueryInterface(backend_, "lo", AttachType::kTcxIngress)->programs.size(), 1U);
  EXPECT_EQ(CountOn(cgroup()), 1U);
}

TEST_F(Fork, ProgramsThatNoDescriptorHoldsStayAttachedToo) {
  const auto& row = *std::find_if(LinkKindRows().begin(), LinkKindRows().end(),
                                  [](const LinkKindRow& candidate) { return candidate.kind == "cgroup"; });
  std::optional<CgroupLink> link = AttachCgroup(ProgramOf(row), cgroup(), {.mode = CgroupMode::kMulti}).value();
  DropInChild(link);
  EXPECT_EQ(CountOn(cgroup()), 1U);
  link.reset();
  EXPECT_EQ(CountOn(cgroup()), 0U);
}

TEST_F(Fork, FiltersOfSocketsStay) {
  Collection objects = Load(STRATA_BPF_SOCKETS);
  const UniqueFd receiver = UdpSocket();
  std::optional<SocketFilterLink> filter =
      AttachSocketFilter(*objects.FindProgram("cuts").value(), receiver.get()).value();
  DropInChild(filter);
  EXPECT_THAT(Exchange(receiver, {"D is dropped", "passes"}), ElementsAre("passes"));
}

TEST_F(Fork, PerfBuffersStayInTheirMap) {
  const Map map = MakeMap(backend_, MapType::kPerfEventArray, 4, 4, backend_->possible_cpus());
  std::optional<PerfReader> reader = PerfReader::Open(map).value();
  const auto cpus = map.backend_map()->PerfCpus().value();
  ASSERT_FALSE(cpus.empty());
  DropInChild(reader);
  const std::uint32_t key = cpus.front();
  EXPECT_TRUE(map.backend_map()->Delete(std::as_bytes(std::span(&key, 1))).value()) << "it was there";
}

}  // namespace
}  // namespace strata::testing
