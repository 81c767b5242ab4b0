// Specifications that no compiler wrote, and what is decided before the verifier looks.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>

#include "kernel_fixture.h"
#include "strata/base/log.h"
#include "strata/isa/builder.h"

namespace strata {
namespace {

using ::testing::IsEmpty;

constexpr std::uint32_t kMapUpdate = 2;  // bpf_map_update_elem

// numbers[0] = 42; return 7
ProgramSpec StoresANumber() {
  isa::Builder code;
  code.Store(isa::Size::k32, isa::kR10, -4, 0).Store(isa::Size::k64, isa::kR10, -16, 42);
  const isa::InsnIndex map = code.next();
  code.LoadImm64(isa::kR1, 0)
      .Mov(isa::kR2, isa::kR10)
      .Add(isa::kR2, -4)
      .Mov(isa::kR3, isa::kR10)
      .Add(isa::kR3, -16)
      .Mov(isa::kR4, 0)
      .Call(kMapUpdate)
      .Mov(isa::kR0, 7)
      .Exit();
  ProgramSpec program;
  program.name = "stores";
  program.type_of_program = ProgramType::kSocketFilter;
  program.license = "GPL";
  program.instructions = std::move(code).Build().value();
  program.references = {{.index = map, .kind = ReferenceKind::kMap, .symbol = "numbers"}};
  return program;
}

class HandBuilt : public testing::KernelTest {};

TEST_F(HandBuilt, AProgramOfInstructionsNeedsNoObjectFile) {
  CollectionSpec spec;
  MapSpec numbers;
  numbers.name = "numbers";
  numbers.type = MapType::kArray;
  numbers.key_size = 4;
  numbers.value_size = 8;
  numbers.max_entries = 1;
  spec.maps["numbers"] = numbers;
  spec.programs["stores"] = StoresANumber();
  auto objects = LoadCollection(backend_, std::move(spec));
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  const std::array<std::byte, 64> packet{};
  const auto run = objects->FindProgram("stores").value()->TestRun({.data_in = packet});
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(run->return_value, 7U);
  EXPECT_EQ(*objects->FindMap<Array<std::uint64_t>>("numbers")->Lookup(0).value(), 42U);
}

// Asks whether this thread is below the cgroup of the first slot.
ProgramSpec IsInGroup() {
  constexpr std::uint32_t kCurrentTaskUnderCgroup = 37;
  isa::Builder code;
  code.LoadImm64(isa::kR1, 0).Mov(isa::kR2, 0).Call(kCurrentTaskUnderCgroup).Exit();
  ProgramSpec program;
  program.name = "is_in_group";
  program.type_of_program = ProgramType::kRawTracepoint;
  program.license = "GPL";
  program.instructions = std::move(code).Build().value();
  program.references = {{.index = isa::InsnIndex{0}, .kind = ReferenceKind::kMap, .symbol = "groups"}};
  return program;
}

TEST_F(HandBuilt, CgroupArraysTakeDescriptorsOfCgroups) {
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
  ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(::mount("strata", "/sys/fs/cgroup", "cgroup2", 0, nullptr), 0);
  CollectionSpec spec;
  MapSpec groups;
  groups.name = "groups";
  groups.type = MapType::kCgroupArray;
  groups.key_size = groups.value_size = 4;
  groups.max_entries = 1;
  spec.maps["groups"] = groups;
  spec.programs["is_in_group"] = IsInGroup();
  auto objects = LoadCollection(backend_, std::move(spec));
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  const auto run = [&] {
    return static_cast<std::int32_t>(objects->FindProgram("is_in_group").value()->TestRun()->return_value);
  };
  EXPECT_EQ(run(), -EAGAIN) << "the slot is empty";
  {
    const UniqueFd root(::open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::uint32_t key = 0;
    const auto fd = static_cast<std::uint32_t>(root.get());
    const auto stored =
        objects->FindMap("groups").value()->Update(std::as_bytes(std::span(&key, 1)), std::as_bytes(std::span(&fd, 1)));
    ASSERT_TRUE(stored) << stored.error().message();
  }
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(::umount2("/sys/fs/cgroup", MNT_DETACH), 0);
}

class Constants : public testing::KernelTest {
 protected:
  Result<Collection> LoadWith(std::uint32_t value) {
    auto spec = STRATA_TRY(LoadCollectionSpec(STRATA_BPF_CONSTANTS));
    STRATA_TRY(spec.SetVariable("calls_the_future", value));
    return LoadCollection(backend_, std::move(spec));
  }
};

TEST_F(Constants, AreFrozenBeforeTheVerifierLooksAtTheBranchesTheyDecide) {
  EXPECT_EQ(ErrorOf(LoadWith(1)).code(), ErrorCode::kVerifierRejected);
  auto objects = LoadWith(0);
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  EXPECT_EQ(testing::RunOnPacket(*objects, "decides"), 5);
}

TEST_F(Constants, AFailureIsReturnedAndNotLoggedToo) {
  std::vector<std::string> lines;
  SetLogSink([&](LogLevel, std::string_view line) { lines.emplace_back(line); });
  const Error error = ErrorOf(LoadWith(1));
  SetLogSink({});
  EXPECT_FALSE(error.log().empty());
  EXPECT_THAT(lines, IsEmpty());
}

}  // namespace
}  // namespace strata
