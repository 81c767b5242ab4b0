// Files that are cut off, changed bit by bit or replaced, by whoever may write them, under a running loader and a
// running agent: errors, and no crash.
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <random>

#include "registry_fixture.h"
#include "strata/backend/userspace/runtime/fault_table.h"

namespace strata {
namespace {

// All that a loader and a tool ask of what lies in the session.
void UseAsLoader(Backend& backend) {
  static_cast<void>(backend.List());
  const std::uint32_t key = 1;
  std::uint64_t value = 0;
  if (const auto map = backend.OpenMap(1)) {
    std::uint32_t next = 0;
    static_cast<void>((*map)->Update(BytesOf(key), BytesOf(value), UpdateMode::kAny));
    static_cast<void>((*map)->Lookup(BytesOf(key), WritableBytesOf(value)));
    static_cast<void>((*map)->NextKey(std::nullopt, WritableBytesOf(next)));
    static_cast<void>((*map)->Delete(BytesOf(key)));
  }
  if (const auto program = backend.OpenProgram(2)) {
    static_cast<void>((*program)->Code());
    static_cast<void>((*program)->Stats());
  }
  if (const auto link = backend.OpenLink(3)) {
    static_cast<void>((*link)->Info());
    static_cast<void>((*link)->Instances());
  }
  static_cast<void>(backend.ReadTypes(4));
}

class DamagedFilesTest : public RegistryTest {
 protected:
  void SetUp() override {
    RegistryTest::SetUp();
    chain_ = MakeChain(backend());
    std::ofstream(Path("btf-4")) << std::string(200, 'x');
    std::filesystem::create_directory(Path("pinned"));
    std::filesystem::permissions(Path("pinned"), std::filesystem::perms::owner_all);
    std::filesystem::create_hard_link(Path("btf-4"), Path("pinned/btf-4"));  // nobody holds it
    std::ofstream(Path("instance-3-1")) << std::string(sizeof(runtime::InstanceRecord), 'x');
  }
  void TearDown() override {
    chain_ = {};
    std::filesystem::remove_all(Path("pinned"));
    RegistryTest::TearDown();
  }
  std::string Path(const std::string& name) const { return session_folder() + "/" + name; }

  // Damages a private copy of the session and uses it in a child, whose end must be an ordinary one.
  void ExpectSurvives(const std::function<void(const std::string& folder)>& damage) {
    const std::string copy = runtime_folder() + "/copy";
    std::filesystem::copy(session_folder(), copy, std::filesystem::copy_options::recursive);
    ::chmod(copy.c_str(), 0700);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::alarm(20);
      RunInChild(copy, damage);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "wait status " << status;
    std::filesystem::remove_all(copy);
  }

  // The same for damage that is done while a loader and an agent have the files open.
  void ExpectSurvivesWhileOpen(const std::function<void(const std::string& folder)>& damage) {
    ExpectSurvives([&](const std::string& folder) {
      ::signal(SIGBUS, SIG_DFL);  // a sanitizer has its own
      PinCopies(folder);
      UserspaceOptions options = Options();
      options.session = "copy";
      options.handle_fault_signals = true;
      auto loader = OpenUserspaceBackend(std::move(options)).value();
      const auto map = loader->OpenMap(1).value();
      const std::uint32_t key = 1;
      std::uint64_t value = 0;
      runtime::Process* process = nullptr;
      Check(runtime::OpenProcess(folder.c_str(), &process, nullptr));
      Check(runtime::GuardFiles(*process));
      const int fd = runtime::OpenSessionFolder(folder.c_str(), nullptr);
      runtime::ProgramInstance* program = nullptr;
      Check(runtime::InstantiateProgram(*process, fd, 2, &program, nullptr));
      runtime::LinkView link;
      Check(runtime::MapLink(fd, 3, &link, nullptr));
      damage(folder);
      runtime::RunContext run;
      run.process = process;
      runtime::RunProgram(*program, run);
      __atomic_fetch_add(&link.counters->run_count, 1, __ATOMIC_RELAXED);
      static_cast<void>(map->Update(BytesOf(key), BytesOf(value), UpdateMode::kAny));
      static_cast<void>(map->Lookup(BytesOf(key), WritableBytesOf(value)));
      UseAsLoader(*loader);
      runtime::UnmapLink(&link);
      runtime::ReleaseProgram(program);
      runtime::CloseDescriptor(fd);
      runtime::CloseProcess(process);
    });
  }

 private:
  static void Check(long error) {
    if (error != 0) throw std::runtime_error("errno " + std::to_string(-error));
  }
  [[noreturn]] void RunInChild(const std::string& copy, const std::function<void(const std::string&)>& damage) const {
    try {
      damage(copy);
      UseCopy(copy);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ::_exit(1);
    }
    ::_exit(0);
  }
  // Nobody holds the copies: pins keep them from being collected before they are used.
  static void PinCopies(const std::string& folder) {
    std::error_code ignored;
    std::filesystem::create_directory(folder + "/pinned", ignored);
    for (const char* file : {"map-1", "prog-2", "link-3", "btf-4"})
      std::filesystem::create_hard_link(folder + "/" + file, folder + "/pinned/" + file, ignored);
  }
  void UseCopy(const std::string& folder) const {
    PinCopies(folder);
    runtime::Process* process = nullptr;
    if (runtime::OpenProcess(folder.c_str(), &process, nullptr) == 0) {
      const int fd = runtime::OpenSessionFolder(folder.c_str(), nullptr);
      runtime::ProgramInstance* program = nullptr;
      if (runtime::InstantiateProgram(*process, fd, 2, &program, nullptr) == 0) runtime::ReleaseProgram(program);
      runtime::MapView* map = nullptr;
      if (runtime::OpenMapById(*process, fd, 1, &map, nullptr) == 0) runtime::ReleaseMap(map);
      runtime::CloseDescriptor(fd);
      runtime::CloseProcess(process);
    }
    UserspaceOptions options = Options();
    options.session = "copy";
    if (auto backend = OpenUserspaceBackend(std::move(options))) UseAsLoader(**backend);
    static_cast<void>(CollectGarbage({.runtime_folder = runtime_folder(), .session = "copy", .is_dry_run = false}));
  }

  Chain chain_;
};

constexpr const char* kFiles[] = {"root", "map-1", "prog-2", "link-3", "btf-4", "instance-3-1", "log"};

TEST_F(DamagedFilesTest, FilesAreCutOffAnywhere) {
  for (const char* file : kFiles) {
    const auto size = std::filesystem::file_size(Path(file));
    for (const std::uintmax_t left : {std::uintmax_t{0}, std::uintmax_t{1}, std::uintmax_t{7}, std::uintmax_t{63},
                                      size / 2, size - std::min<std::uintmax_t>(size, 4096), size - 1}) {
      SCOPED_TRACE(std::string(file) + " of " + std::to_string(left) + " bytes");
      ExpectSurvives([&](const std::string& folder) { std::filesystem::resize_file(folder + "/" + file, left); });
    }
  }
}

TEST_F(DamagedFilesTest, BitsOfHeadersAreFlipped) {
  std::mt19937 random(7);
  for (const char* file : kFiles) {
    const auto size = std::filesystem::file_size(Path(file));
    const bool is_map = std::string(file).starts_with("map-") || std::string(file) == "log";
    for (int round = 0; round < 30; ++round) {
      SCOPED_TRACE(std::string(file) + " round " + std::to_string(round));
      ExpectSurvives([&](const std::string& folder) {
        const UniqueFd fd(::open((folder + "/" + file).c_str(), O_RDWR));
        for (int flip = 0; flip < 4; ++flip) {
          // A map's header is its last page.
          const auto span = std::min<std::uintmax_t>(size, 512);
          const auto offset = static_cast<off_t>((is_map ? size - 4096 : 0) + random() % span);
          unsigned char byte = 0;
          static_cast<void>(!::pread(fd.get(), &byte, 1, offset));
          byte ^= static_cast<unsigned char>(1U << (random() % 8));
          static_cast<void>(!::pwrite(fd.get(), &byte, 1, offset));
        }
      });
      random.discard(16);  // the child's draws were its own
    }
  }
}

TEST_F(DamagedFilesTest, FilesAreReplacedByOthersAndByWhatIsNoFile) {
  for (const char* file : kFiles) {
    for (const char* other : kFiles) {
      ExpectSurvives([&](const std::string& folder) {
        std::filesystem::remove(folder + "/" + file);
        std::filesystem::copy_file(Path(other), folder + "/" + file);
      });
    }
    ExpectSurvives([&](const std::string& folder) {
      std::filesystem::remove(folder + "/" + file);
      static_cast<void>(::mkfifo((folder + "/" + file).c_str(), 0600));
    });
    ExpectSurvives([&](const std::string& folder) {
      std::filesystem::remove(folder + "/" + file);
      std::filesystem::create_directory(folder + "/" + file);
    });
    ExpectSurvives([&](const std::string& folder) {
      std::filesystem::remove(folder + "/" + file);
      std::filesystem::create_symlink("/dev/zero", folder + "/" + file);
    });
  }
}

TEST_F(DamagedFilesTest, ARunningLoaderAndAgentGoOnWhenFilesAreReplaced) {
  AsAgent([&](runtime::Process& process, int folder) {
    runtime::ProgramInstance* program = nullptr;
    ASSERT_EQ(runtime::InstantiateProgram(process, folder, 2, &program, nullptr), 0);
    for (const char* file : {"map-1", "prog-2", "link-3"}) {
      std::filesystem::remove(Path(file));
      std::ofstream(Path(file)) << "nonsense";
    }
    runtime::RunContext run;
    EXPECT_EQ(runtime::RunProgram(*program, run), 7U);  // has what it opened
    runtime::LinkView view;
    EXPECT_NE(runtime::MapLink(folder, 3, &view, nullptr), 0);
    runtime::ReleaseProgram(program);
  });
  UseAsLoader(backend());
  EXPECT_EQ(backend().OpenMap(1).error().code(), ErrorCode::kMalformed);
}

TEST_F(DamagedFilesTest, ARunningLoaderAndAgentGoOnWhenFilesAreCutOff) {
  for (const char* file : {"root", "map-1", "prog-2", "link-3", "log"}) {
    SCOPED_TRACE(file);
    ExpectSurvivesWhileOpen([&](const std::string& folder) { std::filesystem::resize_file(folder + "/" + file, 0); });
  }
}

}  // namespace
}  // namespace strata
