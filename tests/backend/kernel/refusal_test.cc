// Why a kernel said no: rights, limits, and what it does not have. The kernels are made up, so that each reason can be
// seen; the one at hand is asked in tests/object.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <map>

#include "program_fixture.h"
#include "strata/backend/feature.h"
#include "strata/spec/attach_target.h"
#include "support/golden.h"

namespace strata::kernel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kEveryCapability = ~std::uint64_t{0};
constexpr std::uint64_t Bit(unsigned capability) { return std::uint64_t{1} << capability; }
constexpr char kFirstNamespace[] = "         0          0 4294967295\n";

// A process with those rights on a kernel that answers loads as `load` says.
class FakeProcess : public FakeSyscalls {
 public:
  FakeProcess(std::uint64_t capabilities, Answer answer)
      : FakeSyscalls(AcceptEverything(std::move(answer))), capabilities_(capabilities) {
    files["/proc/self/uid_map"] = kFirstNamespace;
  }
  std::uint64_t EffectiveCapabilities() const override { return capabilities_; }
  std::string ReadFile(const char* path) const override {
    const auto file = files.find(path);
    return file == files.end() ? std::string() : file->second;
  }

  std::map<std::string, std::string> files;

 private:
  std::uint64_t capabilities_;
};

FakeSyscalls::Answer Loads(std::function<long(ProgramLoadAttr& attr)> load) {
  return [load = std::move(load)](Command command, void* attr) -> std::optional<long> {
    if (command != Command::kProgramLoad) return std::nullopt;
    return load(*static_cast<ProgramLoadAttr*>(attr));
  };
}
FakeSyscalls::Answer RefusesLoads() {
  return Loads([](ProgramLoadAttr&) { return -long{EPERM}; });
}

Error ErrorOf(const std::shared_ptr<FakeProcess>& process, const LinkedProgram& program) {
  auto loaded = OpenWith(process)->LoadProgram(program);
  if (loaded) return Error(ErrorCode::kInvalidArgument, "it was loaded");
  return std::move(loaded).error();
}

void ExpectText(const std::string& name, const Error& error) {
  test::ExpectGolden(error.message() + "\n", std::string(STRATA_GOLDEN_FOLDER) + "/" + name + ".txt");
}

TEST(Refusal, NamesTheCapabilitiesOfTheProgramType) {
  const auto process = std::make_shared<FakeProcess>(Bit(CAP_BPF), RefusesLoads());
  EXPECT_THAT(ErrorOf(process, ReturnZero(ProgramType::kXdp)).message(), HasSubstr("needs CAP_NET_ADMIN, which"));
  EXPECT_THAT(ErrorOf(process, ReturnZero(ProgramType::kKprobe)).message(), HasSubstr("needs CAP_PERFMON, which"));
  const Error error = ErrorOf(std::make_shared<FakeProcess>(0, RefusesLoads()), ReturnZero(ProgramType::kExt));
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(error.message(), HasSubstr("needs CAP_BPF and CAP_PERFMON and CAP_NET_ADMIN, which"));
}

TEST(Refusal, InAUserNamespaceAsksForAToken) {
  const auto process = std::make_shared<FakeProcess>(kEveryCapability, RefusesLoads());
  process->files["/proc/self/uid_map"] = "         0       1000          1\n";
  const Error error = ErrorOf(process, ReturnZero());
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  ExpectText("in_a_user_namespace", error);
}

TEST(Refusal, OfALockedDownKernelSaysSo) {
  const auto process = std::make_shared<FakeProcess>(kEveryCapability, RefusesLoads());
  process->files["/sys/kernel/security/lockdown"] = "none integrity [confidentiality]\n";
  ExpectText("locked_down", ErrorOf(process, ReturnZero()));
  process->files["/sys/kernel/security/lockdown"] = "none [integrity] confidentiality\n";
  EXPECT_THAT(ErrorOf(process, ReturnZero()).message(), Not(HasSubstr("locked down")));
}

// Kernels before 5.11: a limit that is not "unlimited" may be the reason, and the kernel is asked whether it is one of
// those.
TEST(Refusal, BlamesMemlockOnlyWhereTheKernelAccountsByIt) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_MEMLOCK, &limit), 0);
  if (limit.rlim_cur == RLIM_INFINITY) GTEST_SKIP() << "RLIMIT_MEMLOCK is unlimited here";
  constexpr std::uint32_t kKtimeGetCoarseNs = 160;
  const auto kernel = [](bool is_old) {
    return Loads([is_old](ProgramLoadAttr& attr) -> long {
      const auto* code = reinterpret_cast<const isa::Instruction*>(attr.insns);
      if (code[0].imm != static_cast<std::int32_t>(kKtimeGetCoarseNs)) return -long{EPERM};
      if (!is_old) return FakeSyscalls::AnyDescriptor();
      return WriteLog(attr, "0: (85) call unknown#160\ninvalid func unknown#160\n", -EINVAL);
    });
  };
  const auto message = [&](bool is_old) {
    return ErrorOf(std::make_shared<FakeProcess>(kEveryCapability, kernel(is_old)), ReturnZero()).message();
  };
  EXPECT_THAT(message(true), HasSubstr("RLIMIT_MEMLOCK is " + std::to_string(limit.rlim_cur) + " bytes"));
  EXPECT_THAT(message(false), Not(HasSubstr("MEMLOCK")));
}

TEST(Refusal, OfAnAttachTypeNamesTheKernelThatHasIt) {
  const auto process = std::make_shared<FakeProcess>(
      kEveryCapability, Loads([](ProgramLoadAttr& attr) -> long {
        const auto netkit = static_cast<std::uint32_t>(AttachType::kNetkitPrimary);
        return attr.expected_attach_type == netkit ? -EINVAL : FakeSyscalls::AnyDescriptor();
      }));
  LinkedProgram program = ReturnZero(ProgramType::kSchedCls);
  program.attach_type = AttachType::kNetkitPrimary;
  const Error error = ErrorOf(process, program);
  EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
  ExpectText("attach_type_of_a_newer_kernel", error);
  process->files["/proc/sys/kernel/osrelease"] = "6.7.1-cloud\n";
  ExpectText("attach_type_that_was_left_out", ErrorOf(process, program));
}

TEST(Refusal, ATruncatedLogSaysSo) {
  const auto process = std::make_shared<FakeProcess>(
      kEveryCapability, Loads([](ProgramLoadAttr& attr) -> long {
        if (attr.log_size == 0) return -EACCES;
        WriteLog(attr, "7: (79) r0 = *(u64 *)(r0 +0)\nR0 invalid mem access 'scalar'\n", 0);
        return -ENOSPC;
      }));
  ExpectText("truncated_log", ErrorOf(process, ReturnZero()));
}

TEST(Refusal, OfAMapTypeIsAnsweredByAProbe) {
  const auto process =
      std::make_shared<FakeProcess>(kEveryCapability, [](Command command, void* attr) -> std::optional<long> {
        if (command != Command::kMapCreate) return std::nullopt;
        const auto arena = static_cast<std::uint32_t>(MapType::kArena);
        return static_cast<MapCreateAttr*>(attr)->map_type == arena ? std::optional<long>(-EINVAL) : std::nullopt;
      });
  MapSpec spec;
  spec.name = "heap";
  spec.type = MapType::kArena;
  spec.max_entries = 1;
  const auto map = OpenWith(process)->CreateMap(spec, nullptr);
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().code(), ErrorCode::kNotSupported);
  ExpectText("map_type_of_a_newer_kernel", map.error());
}

TEST(Refusal, OfALinkIsAnsweredByAProbe) {
  class WithPerfEvents : public FakeProcess {
   public:
    using FakeProcess::FakeProcess;
    long PerfEventOpen(const perf_event_attr&, pid_t, int, int, unsigned long) const override {
      return AnyDescriptor();
    }
    long Ioctl(int, unsigned long, unsigned long) const override { return -EINVAL; }
  };
  const auto process =
      std::make_shared<WithPerfEvents>(kEveryCapability, [](Command command, void*) -> std::optional<long> {
        return command == Command::kLinkCreate ? std::optional<long>(-EINVAL) : std::nullopt;
      });
  const auto backend = OpenWith(process);
  if (backend->Probe(LinkKind::kPerfEvent).reason.find("BTF") != std::string::npos) {
    GTEST_SKIP() << "this kernel has no BTF to compare with";
  }
  AttachTarget target;
  target.kind = "uprobe";
  target.path = "/proc/self/exe";
  target.config = EncodeConfig(UprobeConfig{});
  const auto link = backend->Attach(backend->LoadProgram(ReturnZero(ProgramType::kKprobe)).value(), target, {});
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::kNotSupported) << link.error().message();
  EXPECT_THAT(link.error().message(), HasSubstr("link kind perf_event: not supported (needs Linux 5.15)"));
}

// The helpers that tell the memory of the kernel and of processes apart came with Linux 5.5.
TEST(OldKernel, ReadsMemoryByTheHelperOfItsTime) {
  constexpr std::int32_t kProbeReadKernel = 113;
  constexpr std::int32_t kProbeRead = 4;
  std::vector<std::int32_t> loaded;
  const auto process = std::make_shared<FakeProcess>(
      kEveryCapability, Loads([&](ProgramLoadAttr& attr) -> long {
        const auto* code = reinterpret_cast<const isa::Instruction*>(attr.insns);
        loaded.push_back(code[0].imm);
        if (code[0].imm != kProbeReadKernel) return FakeSyscalls::AnyDescriptor();
        return WriteLog(attr, "0: (85) call unknown#113\ninvalid func unknown#113\n", -EINVAL);
      }));
  LinkedProgram program = ReturnZero(ProgramType::kKprobe);
  program.instructions.insert(program.instructions.begin(), {.opcode = 0x85, .imm = kProbeReadKernel});
  const auto made = OpenWith(process)->LoadProgram(program);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(loaded.front(), kProbeReadKernel);
  EXPECT_EQ(loaded.back(), kProbeRead);
}

TEST(ProgramInfoCall, HasRoomForEveryMap) {
  static constexpr std::uint32_t kMaps = 40;
  const auto syscalls =
      std::make_shared<FakeSyscalls>(AcceptEverything([](Command command, void* attr) -> std::optional<long> {
        if (command != Command::kInfo) return std::nullopt;
        auto* record = reinterpret_cast<ProgramInfoRecord*>(static_cast<InfoAttr*>(attr)->info);
        auto* ids = reinterpret_cast<std::uint32_t*>(record->map_ids);
        for (std::uint32_t i = 0; i < std::min(kMaps, record->nr_map_ids); ++i) ids[i] = i + 100;
        record->nr_map_ids = kMaps;
        return 0;
      }));
  const auto program = OpenWith(syscalls)->LoadProgram(ReturnZero()).value();
  ASSERT_EQ(program->info().map_ids.size(), kMaps);
  EXPECT_EQ(program->info().map_ids.back(), kMaps + 99);
}

TEST(TypesCall, AnErrorSaysWhatTheKernelFound) {
  const auto syscalls =
      std::make_shared<FakeSyscalls>(AcceptEverything([](Command command, void* attr) -> std::optional<long> {
        if (command != Command::kBtfLoad) return std::nullopt;
        auto* load = static_cast<BtfLoadAttr*>(attr);
        if (load->log_size != 0) std::strcpy(reinterpret_cast<char*>(load->log_buf), "[3] ENUM x\nInvalid name\n");
        return -EINVAL;
      }));
  const auto types = OpenWith(syscalls)->LoadTypes({});
  ASSERT_FALSE(types);
  EXPECT_EQ(types.error().message(), "loading BTF: [3] ENUM x: Invalid name: Invalid argument");
}

TEST(FeatureProbe, WhatIsSureIsAskedOnce) {
  const auto process = std::make_shared<FakeProcess>(kEveryCapability, Loads([](ProgramLoadAttr&) { return -EINVAL; }));
  const auto backend = OpenWith(process);
  EXPECT_EQ(process->CallsOf(Command::kProgramLoad).size(), 0U) << "nobody asked";
  const Feature feature = ProgramTypeFeature{ProgramType::kXdp};
  EXPECT_EQ(backend->Probe(feature).support, Support::kNo);
  EXPECT_EQ(backend->Probe(feature).support, Support::kNo);
  EXPECT_EQ(process->CallsOf(Command::kProgramLoad).size(), 1U);
}

TEST(FeatureProbe, WhatIsNotSureIsAskedAgain) {
  bool has_rights = false;
  const auto process = std::make_shared<FakeProcess>(
      0, Loads([&](ProgramLoadAttr&) -> long { return has_rights ? FakeSyscalls::AnyDescriptor() : -EPERM; }));
  const auto backend = OpenWith(process);
  const Feature feature = ProgramTypeFeature{ProgramType::kXdp};
  EXPECT_EQ(backend->Probe(feature).support, Support::kInconclusive) << "a process without rights cannot tell";
  has_rights = true;
  EXPECT_EQ(backend->Probe(feature).support, Support::kYes);
}

TEST(FeatureProbe, LinksAreProbedWithTargetsThatCannotExist) {
  const auto process =
      std::make_shared<FakeProcess>(kEveryCapability, [](Command command, void*) -> std::optional<long> {
        return command == Command::kLinkCreate ? std::optional<long>(-EBADF) : std::nullopt;
      });
  EXPECT_EQ(OpenWith(process)->Probe(LinkKind::kPerfEvent).support, Support::kYes);
  const auto attr = process->CallsOf(Command::kLinkCreate).back().As<LinkCreateAttr>();
  EXPECT_EQ(attr.target, UINT32_MAX);
}

// --- Tokens.

TEST(Token, GoesWithEveryObject) {
  const auto syscalls =
      std::make_shared<FakeSyscalls>(AcceptEverything([](Command command, void*) -> std::optional<long> {
        return command == Command::kTokenCreate ? std::optional<long>(FakeSyscalls::AnyDescriptor()) : std::nullopt;
      }));
  const auto backend = OpenKernelBackend({.syscalls = syscalls, .token_path = "/proc/self"}).value();
  ASSERT_TRUE(backend->LoadTypes({}));
  ASSERT_TRUE(backend->LoadProgram(ReturnZero()));
  constexpr std::uint32_t kTokenFd = 1U << 16;
  const auto map = syscalls->CallsOf(Command::kMapCreate).back().As<MapCreateAttr>();
  const auto program = syscalls->CallsOf(Command::kProgramLoad).back().As<ProgramLoadAttr>();
  const auto types = syscalls->CallsOf(Command::kBtfLoad).back().As<BtfLoadAttr>();
  EXPECT_EQ(map.map_flags, kTokenFd);
  EXPECT_EQ(program.prog_flags, kTokenFd);
  EXPECT_EQ(types.flags, kTokenFd);
  EXPECT_GT(map.map_token_fd, 2);
  EXPECT_EQ(program.prog_token_fd, map.map_token_fd);
  EXPECT_EQ(types.token_fd, map.map_token_fd);
}

TEST(Token, IsLookedForOnlyWhereTheProcessHasNoRights) {
  const auto make = [](bool may_create) {
    return std::make_shared<FakeSyscalls>(
        AcceptEverything([may_create](Command command, void* attr) -> std::optional<long> {
          if (command == Command::kTokenCreate) return FakeSyscalls::AnyDescriptor();
          if (command != Command::kMapCreate) return std::nullopt;
          const bool has_token = static_cast<MapCreateAttr*>(attr)->map_token_fd != 0;
          return may_create || has_token ? FakeSyscalls::AnyDescriptor() : -EPERM;
        }));
  };
  const auto with_rights = make(true);
  ASSERT_TRUE(OpenKernelBackend({.syscalls = with_rights}));
  EXPECT_TRUE(with_rights->CallsOf(Command::kTokenCreate).empty());
  const auto without = make(false);
  EXPECT_TRUE(OpenKernelBackend({.syscalls = without}));
  EXPECT_EQ(without->CallsOf(Command::kTokenCreate).size(), 1U);
}

TEST(Token, EachRefusalNamesItsRemedy) {
  const auto message = [](int sys_errno) {
    const auto syscalls =
        std::make_shared<FakeSyscalls>(AcceptEverything([sys_errno](Command command, void*) -> std::optional<long> {
          return command == Command::kTokenCreate ? std::optional<long>(-sys_errno) : std::nullopt;
        }));
    return OpenKernelBackend({.syscalls = syscalls, .token_path = "/proc/self"}).error().message();
  };
  EXPECT_THAT(message(ENOENT), HasSubstr("mount it with delegate_cmds"));
  EXPECT_THAT(message(EPERM), HasSubstr("was not mounted for this user namespace"));
  EXPECT_THAT(message(EINVAL), HasSubstr("BPF tokens: not supported (needs Linux 6.9)"));
  EXPECT_THAT(message(EOPNOTSUPP), HasSubstr("other user namespaces than the first one"));
}

// --- Runs without an event.

Result<TestRunResult> RunWith(std::function<long(TestRunAttr& attr)> answer, const TestRunOptions& options) {
  const auto syscalls =
      std::make_shared<FakeSyscalls>(AcceptEverything([answer](Command command, void* attr) -> std::optional<long> {
        if (command != Command::kProgramTestRun) return std::nullopt;
        return answer(*static_cast<TestRunAttr*>(attr));
      }));
  return OpenWith(syscalls)->LoadProgram(ReturnZero()).value()->TestRun(options);
}

TEST(TestRunCall, HasRoomForPacketsThatGrow) {
  const std::array<std::byte, 64> packet{};
  const auto run = RunWith(
      [](TestRunAttr& attr) -> long {
        EXPECT_EQ(attr.data_size_in, 64U);
        EXPECT_GE(attr.data_size_out, 64U + 256);
        attr.data_size_out = 80;
        attr.retval = 3;
        attr.duration = 17;
        return 0;
      },
      {.data_in = packet});
  ASSERT_TRUE(run);
  EXPECT_EQ(run->data_out.size(), 80U);
  EXPECT_EQ(run->return_value, 3U);
  EXPECT_EQ(run->duration.count(), 17);
}

TEST(TestRunCall, OneRunThatASignalFollowedIsDone) {
  const auto run = RunWith(
      [](TestRunAttr& attr) -> long {
        attr.retval = 5;
        return -EINTR;
      },
      {.repeat = 1});
  ASSERT_TRUE(run);
  EXPECT_EQ(run->return_value, 5U);
}

TEST(TestRunCall, ManyRunsThatASignalInterruptedStartAgain) {
  int interruptions = 2;
  int restarts = 0;
  const auto answer = [&](TestRunAttr&) -> long { return interruptions-- > 0 ? -EINTR : 0; };
  ASSERT_TRUE(RunWith(answer, {.repeat = 100, .on_restart = [&] { ++restarts; }}));
  EXPECT_EQ(restarts, 2);
  const auto hopeless = RunWith([](TestRunAttr&) { return -long{EINTR}; }, {.repeat = 100});
  ASSERT_FALSE(hopeless);
  EXPECT_EQ(hopeless.error().sys_errno(), EINTR);
}

TEST(TestRunCall, WhatTheKernelCannotRunIsNotSupported) {
  const auto run = RunWith([](TestRunAttr&) { return -524L; }, {});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(run.error().message(), HasSubstr("cannot run programs of type socket_filter"));
}

}  // namespace
}  // namespace strata::kernel
