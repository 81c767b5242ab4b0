// USDT probes from their notes to their arguments in a program.
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "fixture.h"
#include "strata/link/usdt.h"
#include "strata/object/usdt_specs.h"
#include "usdt_targets.h"

extern char** environ;

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

enum Sum : std::uint32_t { kCalls, kFirst, kSecond, kCookie, kCount };

template <typename T>
class UsdtTest : public BackendTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto self = OpenExecutable("/proc/self/exe");
    ASSERT_TRUE(self) << self.error().message();
    self_.emplace(*std::move(self));
  }

  void Load(std::uint32_t max_specs = 256) {
    auto spec = LoadCollectionSpec(STRATA_BPF_USDT);
    ASSERT_TRUE(spec) << spec.error().message();
    spec->maps.at("__bpf_usdt_specs").max_entries = max_specs;
    auto objects = LoadCollection(this->backend_, *std::move(spec));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }

  const Program& ProgramOf(const char* name) { return **objects_->FindProgram(name); }
  UsdtOptions Here(std::uint64_t cookie = 0) const { return {.pid = ::getpid(), .cookie = cookie}; }
  Result<Usdt> Attach(const char* probe, const char* program, std::uint64_t cookie = 0) {
    return self_->AttachUsdt("strata_test", probe, ProgramOf(program), Here(cookie));
  }
  std::int64_t SumOf(Sum slot) { return **objects_->template FindMap<Array<std::int64_t>>("seen")->Lookup(slot); }
  std::size_t used_specs() { return ProgramOf("on_two").usdt_specs()->used(); }

  std::optional<Collection> objects_;
  std::optional<Executable> self_;
};
TYPED_TEST_SUITE(UsdtTest, BackendKinds, BackendNames);

TYPED_TEST(UsdtTest, ArgumentsAreFetchedFromWhereEachPlaceHasThem) {
  this->Load();
  const auto probe = this->Attach("places", "on_two", 1000);
  ASSERT_TRUE(probe) << probe.error().message();
  struct Step {
    long (*pass)();
    std::int64_t first;
    std::int64_t second;
  };
  const Step kSteps[] = {
      {[] { return usdt_test_registers(-3, 1L << 40); }, -3, 1L << 40},
      {[] { return usdt_test_stack(-5, -6); }, -5, -6},
      {[] { return usdt_test_variables(INT32_MIN, 77); }, INT32_MIN, 77},
      {[] { return usdt_test_constants(); }, -7, 1234567890123},
  };
  std::int64_t first = 0;
  std::int64_t second = 0;
  std::int64_t calls = 0;
  for (const Step& step : kSteps) {
    step.pass();
    ++calls;
    EXPECT_EQ(this->SumOf(kCalls), calls);
    EXPECT_EQ(this->SumOf(kFirst), first += step.first);
    EXPECT_EQ(this->SumOf(kSecond), second += step.second);
  }
  EXPECT_EQ(this->SumOf(kCookie), 1000 * calls);
  EXPECT_EQ(this->SumOf(kCount), 2 * calls);
}

TYPED_TEST(UsdtTest, TwelveArgumentsOfAllSizes) {
  this->Load();
  const auto probe = this->Attach("many", "on_many");
  ASSERT_TRUE(probe) << probe.error().message();
  usdt_test_many(0x8899aabbf0e0d0c0UL);
  std::vector<std::int64_t> values;
  const auto arguments = this->objects_->template FindMap<Array<std::int64_t>>("arguments").value();
  for (std::uint32_t i = 0; i < 12; ++i) values.push_back(**arguments.Lookup(i));
  EXPECT_THAT(values,
              ElementsAre(-0x40, 0xc0, -0x2f40, 0xd0c0, -0x0f1f2f40, 0xf0e0d0c0,
                          static_cast<std::int64_t>(0x8899aabbf0e0d0c0UL), -0x40, 0xc0, -0x0f1f2f40, -2, 0xfffe));
}

TYPED_TEST(UsdtTest, GuardedProbeIsPassedOnlyWhileItIsAttached) {
  this->Load();
  const long before = usdt_test_guarded(5);
  EXPECT_EQ(usdt_test_semaphore_value(), 0U);
  auto probe = this->Attach("guarded", "on_one");
  ASSERT_TRUE(probe) << probe.error().message();
  EXPECT_EQ(usdt_test_semaphore_value(), 1U);
  EXPECT_EQ(usdt_test_guarded(5), before + 1);
  EXPECT_EQ(usdt_test_guarded(6), before + 2);
  EXPECT_EQ(this->SumOf(kFirst), 11);
  ASSERT_TRUE((*std::move(probe)).Detach());
  EXPECT_EQ(usdt_test_semaphore_value(), 0U);
  EXPECT_EQ(usdt_test_guarded(7), before + 2);
  EXPECT_EQ(this->SumOf(kCalls), 2);
}

TYPED_TEST(UsdtTest, SemaphoreStaysRaisedUntilTheLastListenerGoes) {
  this->Load();
  std::optional<Usdt> first = this->Attach("guarded", "on_one").value();
  std::optional<Usdt> second = this->Attach("guarded", "on_one").value();
  first.reset();
  EXPECT_NE(usdt_test_semaphore_value(), 0U);
  usdt_test_guarded(3);
  EXPECT_EQ(this->SumOf(kCalls), 1);
  second.reset();
  EXPECT_EQ(usdt_test_semaphore_value(), 0U);
}

TYPED_TEST(UsdtTest, ForkedChildOfTheSelectedProcessDoesNotCount) {
  this->Load();
  const auto probe = this->Attach("places", "on_two");
  ASSERT_TRUE(probe) << probe.error().message();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(usdt_test_registers(1, 2) == 3 ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(this->SumOf(kCalls), 0);
  usdt_test_registers(1, 2);
  EXPECT_EQ(this->SumOf(kCalls), 1);
}

// A program of the test's own: what is attached to it is seen in no other test's process.
class ProgramFile {
 public:
  ProgramFile() {
    std::string pattern = ::testing::TempDir() + "strata_usdt_XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = pattern;
    std::filesystem::copy_file(STRATA_USDT_PROCESS, path());
  }
  ~ProgramFile() { std::filesystem::remove_all(folder_); }
  ProgramFile(const ProgramFile&) = delete;
  ProgramFile& operator=(const ProgramFile&) = delete;
  std::string path() const { return folder_ + "/usdt_process"; }

 private:
  std::string folder_;
};

// It runs, started as the backend wants it; it passes its probe once a line.
class TracedProcess {
 public:
  TracedProcess(const Backend& backend, std::string path) {
    int input[2];
    int output[2];
    if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    std::vector<std::string> variables;
    for (const auto& [name, value] : backend.TracedEnvironment()) variables.push_back(name + "=" + value);
    std::vector<char*> environment;
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    char* arguments[] = {path.data(), nullptr};
    const int error = ::posix_spawn(&pid_, path.c_str(), &actions, nullptr, arguments, environment.data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(input[0]);
    ::close(output[1]);
    to_ = ::fdopen(input[1], "w");
    from_ = ::fdopen(output[0], "r");
    if (error != 0) throw std::runtime_error("posix_spawn");
  }
  ~TracedProcess() {
    ::fclose(to_);
    int status = -1;
    ::waitpid(pid_, &status, 0);
    EXPECT_EQ(status, 0);
    ::fclose(from_);
  }
  TracedProcess(const TracedProcess&) = delete;
  TracedProcess& operator=(const TracedProcess&) = delete;

  pid_t pid() const { return pid_; }
  // "<times passed> <semaphore>"
  std::string Pass() {
    char line[64] = {};
    std::fputs("\n", to_);
    std::fflush(to_);
    if (std::fgets(line, sizeof(line), from_) == nullptr) return "it has ended";
    return std::string(line).substr(0, std::string(line).find('\n'));
  }

 private:
  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
};

TYPED_TEST(UsdtTest, ProcessThatStartsLaterHasItsSemaphoreRaised) {
  this->Load();
  const ProgramFile file;
  const auto program = OpenExecutable(file.path()).value();
  const auto probe = program.AttachUsdt("strata_test", "guarded", this->ProgramOf("on_one"));
  ASSERT_TRUE(probe) << probe.error().message();
  TracedProcess traced(*this->backend_, file.path());
  EXPECT_EQ(traced.Pass(), "1 1");
  EXPECT_EQ(traced.Pass(), "2 1");
  EXPECT_EQ(this->SumOf(kCalls), 2);
  EXPECT_EQ(this->SumOf(kFirst), 1 + 2);
}

// Agents look for links when their process starts, so that only the kernel attaches to one that runs.
using UsdtKernelTest = UsdtTest<strata::testing::KernelKind>;
TEST_F(UsdtKernelTest, RunningProcessIsSelectedByItsId) {
  Load();
  const ProgramFile file;
  TracedProcess traced(*backend_, file.path());
  TracedProcess other(*backend_, file.path());
  EXPECT_EQ(traced.Pass(), "0 0");
  const auto program = OpenExecutable(file.path()).value();
  auto probe = program.AttachUsdt("strata_test", "guarded", ProgramOf("on_one"), {.pid = traced.pid()});
  ASSERT_TRUE(probe) << probe.error().message();
  EXPECT_EQ(traced.Pass(), "1 1");
  EXPECT_EQ(other.Pass(), "0 0");
  EXPECT_EQ(SumOf(kCalls), 1);
  EXPECT_EQ(SumOf(kFirst), 2);
  ASSERT_TRUE((*std::move(probe)).Detach());
  EXPECT_EQ(traced.Pass(), "1 0");
  EXPECT_EQ(SumOf(kCalls), 1);
}

TYPED_TEST(UsdtTest, LibraryIsAttachedByItsSection) {
  this->Load();
  EXPECT_EQ(usdt_test_library_semaphore_value(), 0U);
  auto link = AutoAttach(this->ProgramOf("on_library"), {.pid = ::getpid()});
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(usdt_test_library_semaphore_value(), 1U);
  EXPECT_EQ(usdt_test_library(-20), -19);
  EXPECT_EQ(this->SumOf(kCalls), 1);
  EXPECT_EQ(this->SumOf(kFirst), -20);
  EXPECT_EQ(this->SumOf(kSecond), 5);
  ASSERT_TRUE((*std::move(link)).Detach());
  EXPECT_EQ(usdt_test_library_semaphore_value(), 0U);
}

// As the C library unloads it: what was mapped there is gone when the link goes.
TYPED_TEST(UsdtTest, LibraryThatWasUnloadedIsLeftAlone) {
  this->Load();
  using Function = long (*)(long);
  using Value = unsigned (*)();
  void* plugin = ::dlopen(STRATA_USDT_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(plugin, nullptr) << ::dlerror();
  auto probe =
      OpenExecutable(STRATA_USDT_PLUGIN)->AttachUsdt("strata_test", "library", this->ProgramOf("on_one"), this->Here());
  ASSERT_TRUE(probe) << probe.error().message();
  EXPECT_EQ(reinterpret_cast<Value>(::dlsym(plugin, "usdt_test_library_semaphore_value"))(), 1U);
  EXPECT_EQ(reinterpret_cast<Function>(::dlsym(plugin, "usdt_test_library"))(6), 7);
  EXPECT_EQ(this->SumOf(kFirst), 6);
  ASSERT_EQ(::dlclose(plugin), 0);
  EXPECT_TRUE((*std::move(probe)).Detach());
  plugin = ::dlopen(STRATA_USDT_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(plugin, nullptr) << ::dlerror();
  EXPECT_EQ(reinterpret_cast<Value>(::dlsym(plugin, "usdt_test_library_semaphore_value"))(), 0U);
  EXPECT_EQ(reinterpret_cast<Function>(::dlsym(plugin, "usdt_test_library"))(6), 7);
  EXPECT_EQ(this->SumOf(kCalls), 1);
  ::dlclose(plugin);
}

// Where the kernel waits for the semaphore to be mapped.
using UsdtUserspaceTest = UsdtTest<strata::testing::UserspaceKind>;
TEST_F(UsdtUserspaceTest, SemaphoreThatIsNotDataIsRefused) {
  Load();
  const auto target = self_->UprobeTarget("uprobe", "usdt_test_registers", {.pid = ::getpid()}).value();
  const auto config = DecodeConfig<UprobeConfig>(target).value();
  AttachTarget with_semaphore = target;
  with_semaphore.config =
      EncodeConfig(UprobeConfig{.file_offset = config.file_offset, .ref_ctr_file_offset = config.file_offset});
  const auto link = AttachToTarget(ProgramOf("on_one"), with_semaphore);
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(link.error().message(), HasSubstr("semaphore is not mapped"));
}

// A library of the distribution, whose probes were made by <sys/sdt.h>.
TYPED_TEST(UsdtTest, ThrowsAreSeenInTheCxxLibrary) {
  this->Load();
  const auto library = OpenExecutable("libstdc++.so.6").value();
  const auto probe = library.AttachUsdt("libstdcxx", "throw", this->ProgramOf("on_one"), this->Here());
  ASSERT_TRUE(probe) << probe.error().message();
  const int* thrown = nullptr;
  try {
    throw 42;
  } catch (const int& number) {
    thrown = &number;
  }
  EXPECT_EQ(this->SumOf(kCalls), 1);
  EXPECT_EQ(this->SumOf(kFirst), reinterpret_cast<std::int64_t>(thrown));
}

TYPED_TEST(UsdtTest, SleepableProgramReadsMemory) {
  this->Load();
  const auto probe = this->Attach("text", "on_text");
  ASSERT_TRUE(probe) << probe.error().message();
  usdt_test_text("seen by usdt\0and");
  EXPECT_EQ(this->SumOf(kCalls), 1);
  using Text = std::array<char, 16>;
  const auto text = this->objects_->FindVariable("text")->template Get<Text>().value();
  EXPECT_STREQ(text.data(), "seen by usdt");
}

TYPED_TEST(UsdtTest, DisabledProbeRests) {
  this->Load();
  auto probe = this->Attach("places", "on_two").value();
  ASSERT_TRUE(probe.SetEnabled(false));
  usdt_test_registers(1, 2);
  usdt_test_stack(1, 2);
  EXPECT_EQ(this->SumOf(kCalls), 0);
  ASSERT_TRUE(probe.SetEnabled(true));
  usdt_test_registers(1, 2);
  usdt_test_stack(1, 2);
  EXPECT_EQ(this->SumOf(kCalls), 2);
}

TYPED_TEST(UsdtTest, DisabledProbeLowersItsSemaphore) {
  this->Load();
  auto probe = this->Attach("guarded", "on_one").value();
  ASSERT_TRUE(probe.SetEnabled(false));
  EXPECT_EQ(usdt_test_semaphore_value(), 0U);
  usdt_test_guarded(1);
  ASSERT_TRUE(probe.SetEnabled(true));
  EXPECT_EQ(usdt_test_semaphore_value(), 1U);
  usdt_test_guarded(2);
  EXPECT_EQ(this->SumOf(kFirst), 2);
}

TYPED_TEST(UsdtTest, SeveralProgramsAndProbesShareTheirSpecifications) {
  this->Load();
  const auto places = this->Attach("places", "on_two", 1).value();
  EXPECT_EQ(this->used_specs(), std::size_t{kPlaces});
  const auto again = this->Attach("places", "on_one", 1).value();
  EXPECT_EQ(this->used_specs(), std::size_t{kPlaces});
  const auto other_cookie = this->Attach("places", "on_two", 2).value();
  EXPECT_EQ(this->used_specs(), 2U * kPlaces);
  usdt_test_registers(10, 100);
  EXPECT_EQ(this->SumOf(kCalls), 3);
  EXPECT_EQ(this->SumOf(kFirst), 30);
  EXPECT_EQ(this->SumOf(kCookie), 3);
}

TYPED_TEST(UsdtTest, FullMapNamesTheRemedyAndNothingStays) {
  this->Load(kPlaces - 1);
  const auto refused = this->Attach("places", "on_two");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kMapFull);
  EXPECT_THAT(refused.error().message(), HasSubstr("strata_test:places"));
  EXPECT_THAT(refused.error().message(), HasSubstr("BPF_USDT_MAX_SPEC_CNT"));
  EXPECT_EQ(this->used_specs(), 0U);
  usdt_test_registers(1, 2);
  EXPECT_EQ(this->SumOf(kCalls), 0);
}

TYPED_TEST(UsdtTest, DetachingGivesSpecificationsBack) {
  this->Load(kPlaces);
  for (std::uint64_t round = 1; round <= 3; ++round) {
    auto probe = this->Attach("places", "on_two", round);
    ASSERT_TRUE(probe) << probe.error().message();
    EXPECT_FALSE(this->Attach("many", "on_many"));
    usdt_test_registers(1, 2);
    ASSERT_TRUE((*std::move(probe)).Detach());
    EXPECT_EQ(this->used_specs(), 0U);
  }
  EXPECT_EQ(this->SumOf(kCookie), 1 + 2 + 3);
}

TYPED_TEST(UsdtTest, UnknownProbesListThoseThatExist) {
  this->Load();
  const auto name = this->Attach("place", "on_two");
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(name.error().message(),
              HasSubstr("strata_test:guarded, strata_test:many, strata_test:places, strata_test:text"));
  const auto provider = this->self_->AttachUsdt("strata", "places", this->ProgramOf("on_two"));
  ASSERT_FALSE(provider);
  EXPECT_THAT(provider.error().message(), HasSubstr("strata:places: no such USDT probe"));
  const auto none = OpenExecutable("/bin/true")->AttachUsdt("a", "b", this->ProgramOf("on_two"));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(none.error().message(), HasSubstr("has no USDT probes"));
}

TYPED_TEST(UsdtTest, FloatingPointArgumentsAreRefused) {
  this->Load();
  const auto refused = this->Attach("floating", "on_one");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(refused.error().message(), HasSubstr("8f@%xmm0"));
  EXPECT_EQ(this->used_specs(), 0U);
}

TYPED_TEST(UsdtTest, SectionsNameFileProviderAndProbe) {
  this->Load();
  const auto unnamed = AutoAttach(this->ProgramOf("on_two"));
  ASSERT_FALSE(unnamed);
  EXPECT_THAT(unnamed.error().message(), HasSubstr("SEC(\"usdt/FILE:PROVIDER:NAME\")"));
  const auto two_parts = AutoAttach(this->ProgramOf("without_provider"));
  ASSERT_FALSE(two_parts);
  EXPECT_EQ(two_parts.error().code(), ErrorCode::kInvalidArgument);
  const auto colons = AutoAttach(this->ProgramOf("in_no_file"));
  ASSERT_FALSE(colons);
  EXPECT_EQ(colons.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(colons.error().message(), HasSubstr("/no:such/file: "));
}

TYPED_TEST(UsdtTest, ProgramWithoutArgumentsGetsTheCookieItself) {
  auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_USDT_PLAIN));
  ASSERT_TRUE(objects) << objects.error().message();
  const auto probe =
      this->self_->AttachUsdt("strata_test", "floating", **objects->FindProgram("add_cookie"), this->Here(55));
  ASSERT_TRUE(probe) << probe.error().message();
  EXPECT_EQ(usdt_test_floating(1.5), 3.0);
  EXPECT_EQ(**objects->template FindMap<Array<std::int64_t>>("cookies")->Lookup(0), 55);
}

TYPED_TEST(UsdtTest, InstancesAreToldOncePerProcess) {
  this->Load();
  const auto probe = this->Attach("places", "on_two").value();
  const auto instances = probe.Instances().value();
  if (!this->backend_->runs_in_kernel()) {
    ASSERT_EQ(instances.size(), 1U);
    EXPECT_EQ(instances[0].pid, ::getpid());
    EXPECT_EQ(instances[0].state, LinkInstance::State::kAttached);
    EXPECT_EQ(instances[0].site_count, std::uint64_t{kPlaces});
  } else {
    EXPECT_THAT(instances, ::testing::IsEmpty());
  }
}

}  // namespace
}  // namespace strata
