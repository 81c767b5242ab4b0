// What the kernel backend asks of the kernel, and what it makes of the answers that this kernel does not give.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "fake_syscalls.h"
#include "strata/backend/kernel/kernel_backend.h"

namespace strata::kernel {
namespace {

std::shared_ptr<Backend> Open(const std::shared_ptr<FakeSyscalls>& syscalls) {
  return OpenKernelBackend({.syscalls = syscalls}).value();
}

LinkedProgram ReturnZero(ProgramType type = ProgramType::kSocketFilter) {
  LinkedProgram program;
  program.name = "a_program_of_a_long_name";
  program.type = type;
  program.license = "GPL";
  program.instructions = {{.opcode = 0xb7, .dst = 0, .src = 0, .offset = 0, .imm = 0},
                          {.opcode = 0x95, .dst = 0, .src = 0, .offset = 0, .imm = 0}};
  return program;
}

TEST(KernelSyscalls, MapIsCreatedWithWhatItsSpecSays) {
  auto syscalls = std::make_shared<FakeSyscalls>(AcceptEverything());
  MapSpec spec;
  spec.name = "a-map of 20 bytes...";
  spec.type = MapType::kHash;
  spec.key_size = 4;
  spec.value_size = 16;
  spec.max_entries = 7;
  spec.flags = map_flags::kNoPrealloc;
  spec.map_extra = 3;
  ASSERT_TRUE(Open(syscalls)->CreateMap(spec, nullptr));
  const auto attr = syscalls->CallsOf(Command::kMapCreate).back().As<MapCreateAttr>();
  EXPECT_EQ(attr.map_type, 1U);
  EXPECT_EQ(attr.key_size, 4U);
  EXPECT_EQ(attr.value_size, 16U);
  EXPECT_EQ(attr.max_entries, 7U);
  EXPECT_EQ(attr.map_flags, 1U);
  EXPECT_EQ(attr.map_extra, 3U);
  EXPECT_STREQ(attr.map_name.data(), "a_map_of_20_byt");
}

TEST(KernelSyscalls, ProgramIsLoadedWithoutALogAtFirst) {
  auto syscalls = std::make_shared<FakeSyscalls>(AcceptEverything());
  ASSERT_TRUE(Open(syscalls)->LoadProgram(ReturnZero()));
  const auto loads = syscalls->CallsOf(Command::kProgramLoad);
  ASSERT_EQ(loads.size(), 1U);
  const auto attr = loads.front().As<ProgramLoadAttr>();
  EXPECT_EQ(attr.insn_cnt, 2U);
  EXPECT_EQ(attr.log_level, 0U);
  EXPECT_EQ(attr.log_buf, 0U);
  EXPECT_STREQ(attr.prog_name.data(), "a_program_of_a_");
}

TEST(KernelSyscalls, LoadIsTriedAgainWhenASignalWasPending) {
  int refusals = 2;
  auto syscalls = std::make_shared<FakeSyscalls>(AcceptEverything([&](Command command, void*) -> std::optional<long> {
    if (command == Command::kProgramLoad && refusals-- > 0) return -EAGAIN;
    return std::nullopt;
  }));
  ASSERT_TRUE(Open(syscalls)->LoadProgram(ReturnZero()));
  EXPECT_EQ(syscalls->CallsOf(Command::kProgramLoad).size(), 3U);
}

TEST(KernelSyscalls, OptionalAttachTypeIsLeftOutOnKernelsWithoutTheField) {
  auto syscalls =
      std::make_shared<FakeSyscalls>(AcceptEverything([](Command command, void* attr) -> std::optional<long> {
        if (command != Command::kProgramLoad) return std::nullopt;
        if (static_cast<ProgramLoadAttr*>(attr)->expected_attach_type != 0) return -E2BIG;
        return std::nullopt;
      }));
  LinkedProgram program = ReturnZero(ProgramType::kXdp);
  program.attach_type = AttachType::kXdp;
  program.is_attach_type_optional = true;
  ASSERT_TRUE(Open(syscalls)->LoadProgram(program));
  EXPECT_EQ(syscalls->CallsOf(Command::kProgramLoad).back().As<ProgramLoadAttr>().expected_attach_type, 0U);
}

TEST(KernelSyscalls, MapWithoutTypesIsTriedWhereTheKernelRefusesThem) {
  auto syscalls =
      std::make_shared<FakeSyscalls>(AcceptEverything([](Command command, void* attr) -> std::optional<long> {
        if (command != Command::kMapCreate) return std::nullopt;
        if (static_cast<MapCreateAttr*>(attr)->btf_fd != 0) return -524;
        return std::nullopt;
      }));
  const auto backend = Open(syscalls);
  const auto types = backend->LoadTypes({}).value();
  MapSpec spec;
  spec.name = "m";
  spec.type = MapType::kHash;
  spec.key_size = spec.value_size = 4;
  spec.max_entries = 1;
  spec.key_type = spec.value_type = btf::TypeId{1};
  ASSERT_TRUE(backend->CreateMap(spec, types));
  const auto creations = syscalls->CallsOf(Command::kMapCreate);
  ASSERT_EQ(creations.size(), 3U);  // the first one is how the backend sees whether it may
  EXPECT_NE(creations[1].As<MapCreateAttr>().btf_fd, 0U);
  EXPECT_EQ(creations[2].As<MapCreateAttr>().btf_fd, 0U);
}

TEST(KernelSyscalls, LinkUpdateComparesTheProgramThatIsExpected) {
  auto syscalls =
      std::make_shared<FakeSyscalls>(AcceptEverything([](Command command, void* attr) -> std::optional<long> {
        if (command != Command::kLinkUpdate) return std::nullopt;
        return static_cast<LinkUpdateAttr*>(attr)->flags == attach_flags::kReplace ? -EPERM : 0;
      }));
  const auto backend = Open(syscalls);
  const auto link = backend->OpenLink(5).value();
  const auto first = backend->LoadProgram(ReturnZero()).value();
  const auto second = backend->LoadProgram(ReturnZero()).value();
  ASSERT_TRUE(link->Update(first, nullptr));
  EXPECT_EQ(syscalls->CallsOf(Command::kLinkUpdate).back().As<LinkUpdateAttr>().old_fd, 0U);
  const auto refused = link->Update(second, first);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kBusy);
  EXPECT_NE(syscalls->CallsOf(Command::kLinkUpdate).back().As<LinkUpdateAttr>().old_fd, 0U);
}

TEST(KernelSyscalls, PinningOutsideOfABpfFileSystemNamesTheRemedy) {
  auto syscalls = std::make_shared<FakeSyscalls>(AcceptEverything([](Command command, void*) -> std::optional<long> {
    return command == Command::kPin ? std::optional<long>(-EPERM) : std::nullopt;
  }));
  const auto link = Open(syscalls)->OpenLink(5).value();
  const auto pinned = link->Pin("/proc/self/nothing");
  ASSERT_FALSE(pinned);
  EXPECT_NE(pinned.error().message().find("/proc/self is no BPF file system; mount one"), std::string::npos)
      << pinned.error().message();
}

}  // namespace
}  // namespace strata::kernel
