// A file system that runs full: ENOSPC from everything that makes a file, and no signal.
#include <sched.h>
#include <sys/mount.h>

#include "registry_fixture.h"
#include "strata/btf/builder.h"

namespace strata {
namespace {

constexpr int kSkipped = 77;

class SmallDiskTest : public RegistryTest {
 protected:
  // Runs `body` in a child with a tmpfs of that size, of its own, as runtime folder.
  void OnSmallDisk(const char* size, const std::function<int(Backend& backend)>& body) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(OnDisk(size, body));
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    std::filesystem::remove(runtime_folder() + "/small");
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    if (WEXITSTATUS(status) == kSkipped) GTEST_SKIP() << "needs the right to mount a tmpfs";
    EXPECT_EQ(WEXITSTATUS(status), 0) << "see the step of that number";
  }
  static bool IsFull(const Error& error) { return error.code() == ErrorCode::kNoSpace && error.sys_errno() == ENOSPC; }

 private:
  int OnDisk(const char* size, const std::function<int(Backend& backend)>& body) {
    const std::string small = runtime_folder() + "/small";
    ::mkdir(small.c_str(), 0700);
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", small.c_str(), "tmpfs", 0, (std::string("mode=700,size=") + size).c_str()) != 0)
      return kSkipped;
    UserspaceOptions options = Options();
    options.runtime_folder = small;
    auto loader = OpenUserspaceBackend(std::move(options));
    if (!loader) return IsFull(loader.error()) ? 0 : 100;
    return body(**loader);
  }
};

TEST_F(SmallDiskTest, ASessionThatDoesNotFitIsAnError) {
  OnSmallDisk("64k", [](Backend&) { return 1; });
}

TEST_F(SmallDiskTest, EverythingThatMakesAFileSaysSo) {
  OnSmallDisk("400k", [](Backend& backend) {
    Chain chain = MakeChain(backend);
    std::vector<std::shared_ptr<BackendMap>> filler;
    for (;;) {
      auto map = backend.CreateMap(Spec(MapType::kArray, 4, 8, 1), nullptr);
      if (!map) {
        if (!IsFull(map.error())) return 1;
        break;
      }
      filler.push_back(*map);
    }
    std::vector<std::shared_ptr<BackendProgram>> programs;
    for (;;) {
      auto program = backend.LoadProgram(TrivialProgram());
      if (!program) {
        if (!IsFull(program.error())) return 2;
        break;
      }
      programs.push_back(*program);
    }
    const auto link = backend.Attach(chain.program, Target(), {});
    if (link || !IsFull(link.error())) return 3;
    const auto stats = backend.EnableStats(StatsDetail::kCount);
    if (stats || !IsFull(stats.error())) return 4;
    btf::Builder builder;
    static_cast<void>(builder.Add(btf::Int{.name = "number", .size_bytes = 8, .bits = 64}));
    const auto bytes = builder.Build().value();
    const auto types = backend.LoadTypes(bytes);
    if (types || !IsFull(types.error())) return 5;
    // What exists goes on, and what goes makes room.
    for (std::uint32_t key = 0; key < 16; ++key) {
      if (!chain.map->Update(BytesOf(key), BytesOf(std::uint64_t{key}), UpdateMode::kAny)) return 6;
    }
    filler.clear();
    return backend.Attach(chain.program, Target(), {}) ? 0 : 7;
  });
}

}  // namespace
}  // namespace strata
