// AttachManager in this process, driven as a loader does: through links in a session.
#include "strata/attach/attach_manager.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "strata/attach/plan/uprobe_plan.h"
#include "strata/backend/userspace/userspace_backend.h"
#include "strata/elf/image.h"

extern "C" [[gnu::noinline, gnu::weak, gnu::visibility("default")]] long manager_test_target(long value) {
  __asm__ volatile("" ::: "memory");
  return value + 1;
}

namespace strata::attach {
namespace {

using testing::HasSubstr;

class OwnProcess : public LocalProcess {
 public:
  explicit OwnProcess(AttachManager* manager) : manager_(manager) {}
  OwnProcess(const OwnProcess&) = delete;
  OwnProcess& operator=(const OwnProcess&) = delete;
  ~OwnProcess() override { AttachManager::Destroy(manager_); }
  Result<void> Reconcile() override {
    if (const int error = manager_->Reconcile(); error != 0) return Error::FromErrno(error, "reconcile");
    return {};
  }

 private:
  AttachManager* manager_;
};

Result<std::unique_ptr<LocalProcess>> MakeOwnProcess(const std::string& session) {
  int error = 0;
  AttachManager* manager = AttachManager::Create(session.c_str(), &error);
  if (manager == nullptr) return Error::FromErrno(error, session);
  return std::unique_ptr<LocalProcess>(new OwnProcess(manager));
}

AttachPlanner Planner(ProbeKind kind) {
  return [kind](const AttachTarget& target) -> Result<std::vector<std::byte>> {
    const auto config = STRATA_TRY(DecodeConfig<UprobeConfig>(target));
    const auto planner = STRATA_TRY(UprobePlanner::Open(target.path));
    return EncodeConfig(STRATA_TRY(planner.Plan(config.file_offset, kind)));
  };
}

class AttachManagerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/dev/shm/strata-test-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    UserspaceOptions options;
    options.session = "test";
    options.runtime_folder = folder_;
    options.planners = {{"uprobe", Planner(ProbeKind::kEntry)}, {"uretprobe", Planner(ProbeKind::kReturn)}};
    options.make_local_process = MakeOwnProcess;
    backend_ = OpenUserspaceBackend(std::move(options)).value();
    stats_ = backend_->EnableStats(StatsDetail::kCount).value();
    program_ = backend_->LoadProgram(ReturnsZero()).value();
    const auto image = elf::Image::Open("/proc/self/exe");
    offset_ = image->FindSymbol("manager_test_target")->file_offset;
    path_ = std::filesystem::read_symlink("/proc/self/exe");
  }
  void TearDown() override {
    program_.reset();
    stats_.reset();
    backend_.reset();
    EXPECT_TRUE(std::filesystem::is_empty(folder_)) << "something was left in the runtime folder";
    std::filesystem::remove_all(folder_);
  }

  static LinkedProgram ReturnsZero() {
    LinkedProgram program;
    program.name = "returns_zero";
    program.type = ProgramType::kKprobe;
    program.license = "GPL";
    program.instructions = {{.opcode = 0xb7, .dst = 0, .src = 0, .offset = 0, .imm = 0}, {.opcode = 0x95}};
    return program;
  }

  AttachTarget Target(const std::string& kind, std::int32_t pid) const {
    AttachTarget target;
    target.kind = kind;
    target.path = path_;
    target.pid = pid;
    target.config = EncodeConfig(UprobeConfig{.file_offset = offset_});
    return target;
  }
  Result<std::unique_ptr<BackendLink>> Attach(const std::string& kind, std::int32_t pid) {
    return backend_->Attach(program_, Target(kind, pid), {});
  }
  std::uint64_t runs() { return program_->Stats().value().run_count; }

  std::string folder_;
  std::string path_;
  std::uint64_t offset_ = 0;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<StatsGuard> stats_;
  std::shared_ptr<BackendProgram> program_;
};

int InForkedChild(void (*work)()) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

std::uint64_t EntryOf(const char* path) {
  Elf64_Ehdr header = {};
  std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(&header), sizeof(header));
  return header.e_entry;
}

TEST_F(AttachManagerTest, ALinkByPidDoesNotCountAForkedChild) {
  const auto link = Attach("uprobe", getpid());
  ASSERT_TRUE(link.has_value()) << link.error().message();
  manager_test_target(1);
  EXPECT_EQ(InForkedChild([] { manager_test_target(1); }), 0);
  EXPECT_EQ(runs(), 1U);
  manager_test_target(1);
  EXPECT_EQ(runs(), 2U);
}

// It shares the memory, and is selected with it, as in the kernel.
TEST_F(AttachManagerTest, ALinkByPidCountsAVforkedChild) {
  const auto link = Attach("uprobe", getpid());
  ASSERT_TRUE(link.has_value()) << link.error().message();
  const pid_t child = vfork();
  if (child == 0) {
    manager_test_target(1);
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  EXPECT_EQ(runs(), 1U);
  manager_test_target(1);
  EXPECT_EQ(runs(), 2U);
}

TEST_F(AttachManagerTest, ALinkForAllProcessesCountsForkedChildren) {
  const auto own = Attach("uprobe", getpid());
  ASSERT_TRUE(own.has_value()) << own.error().message();
  const auto all = Attach("uprobe", kAllProcesses);
  ASSERT_TRUE(all.has_value()) << all.error().message();
  manager_test_target(1);
  EXPECT_EQ(runs(), 2U);
  EXPECT_EQ(InForkedChild([] { manager_test_target(1); }), 0);
  EXPECT_EQ(runs(), 3U);
}

TEST_F(AttachManagerTest, ADisabledLinkDoesNotCount) {
  const auto link = Attach("uretprobe", getpid());
  ASSERT_TRUE(link.has_value()) << link.error().message();
  EXPECT_TRUE((*link)->SetEnabled(false));
  manager_test_target(1);
  EXPECT_EQ(runs(), 0U);
  EXPECT_TRUE((*link)->SetEnabled(true));
  manager_test_target(1);
  EXPECT_EQ(runs(), 1U);
}

TEST_F(AttachManagerTest, ManyLinksOnOnePlaceEachRun) {
  std::vector<std::unique_ptr<BackendLink>> links;
  for (int i = 0; i < 100; ++i) links.push_back(Attach(i % 2 == 0 ? "uprobe" : "uretprobe", getpid()).value());
  manager_test_target(1);
  EXPECT_EQ(runs(), 100U);
  links.resize(10);
  manager_test_target(1);
  EXPECT_EQ(runs(), 110U);
}

TEST_F(AttachManagerTest, ALinkByPidToAFileThatIsNotMappedSaysSo) {
  const auto image = elf::Image::Open("/bin/true");
  ASSERT_TRUE(image.has_value()) << image.error().message();
  AttachTarget target = Target("uprobe", getpid());
  target.path = "/bin/true";
  target.config = EncodeConfig(UprobeConfig{.file_offset = image->FileOffsetOf(EntryOf("/bin/true")).value()});
  const auto link = backend_->Attach(program_, target, {});
  ASSERT_FALSE(link.has_value());
  EXPECT_THAT(link.error().message(), HasSubstr("the file is not mapped in this process"));
}

struct Mappings {
  std::size_t all = 0;
  std::size_t ours = 0;  // code, and files of sessions: what no allocator makes
};

Mappings CountMappings() {
  std::ifstream maps("/proc/self/maps");
  Mappings count;
  for (std::string line; std::getline(maps, line);) {
    ++count.all;
    count.ours += line.find("x") == line.find(' ') + 3 || line.find("/strata-") != std::string::npos;
  }
  return count;
}

TEST_F(AttachManagerTest, AttachingAndDetachingLeavesNoMappingsBehind) {
  for (int i = 0; i < 10; ++i) static_cast<void>(Attach("uretprobe", getpid()).value());
  const Mappings before = CountMappings();
  for (int i = 0; i < 300; ++i) static_cast<void>(Attach("uretprobe", getpid()).value());
  const Mappings after = CountMappings();
  EXPECT_LE(after.ours, before.ours + 2);
  EXPECT_LT(after.all, before.all + 100);  // a leak would be one a round; an allocator may take a few
}

// The window of this function is one instruction, so hooking it under running threads is safe.
TEST_F(AttachManagerTest, DetachesWhileThreadsRunThePrograms) {
  std::atomic<bool> stop = false;
  std::atomic<long> wrong = 0;
  std::vector<std::thread> threads;
  const auto keep = Attach("uprobe", getpid());
  ASSERT_TRUE(keep.has_value()) << keep.error().message();
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (long n = 0; !stop; ++n) wrong += manager_test_target(n) != n + 1;
    });
  }
  for (int i = 0; i < 50; ++i) {
    const auto link = Attach(i % 2 == 0 ? "uprobe" : "uretprobe", getpid());
    ASSERT_TRUE(link.has_value()) << link.error().message();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(runs(), 0U);
}

TEST(AttachManager, TellsWhyASessionCannotBeOpened) {
  int error = 0;
  EXPECT_EQ(AttachManager::Create("/nonexistent/session", &error), nullptr);
  EXPECT_EQ(error, ENOENT);
}

}  // namespace
}  // namespace strata::attach
