// The allocator of arenas: processes that die, a full disk, files that others write.
#include "strata/backend/userspace/runtime/arena.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "session_fixture.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kUserAddress = 0x300000000000;
constexpr std::uint32_t kPages = 64;

class ArenaTest : public RuntimeTest {
 protected:
  MapView& MakeArena(std::uint32_t flags = 0) {
    MapAttributes attributes;
    attributes.type = MapType::kArena;
    attributes.max_entries = kPages;
    attributes.flags = map_flags::kMmapable | flags;
    attributes.map_extra = kUserAddress;
    attributes.possible_cpus = kTestSlots;
    return MakeMap(attributes);
  }
  static std::uint64_t PointerTo(std::uint64_t page) { return kUserAddress + page * kPageSize; }
  static bool IsThere(MapView& arena, std::uint64_t page) {
    return FindArenaMemory(arena, static_cast<std::uint32_t>(PointerTo(page)), 8) != nullptr;
  }
  static std::uint32_t Free(MapView& arena) {
    std::uint32_t count = 0;
    while (AllocateArenaPages(arena, 0, 1) != 0) ++count;
    return count;
  }
};

TEST_F(ArenaTest, GivesPagesFromTheLowestOn) {
  MapView& arena = MakeArena();
  EXPECT_EQ(AllocateArenaPages(arena, 0, 2), PointerTo(0));
  EXPECT_EQ(AllocateArenaPages(arena, 0, 1), PointerTo(2));
  FreeArenaPages(arena, PointerTo(1), 1);
  EXPECT_EQ(AllocateArenaPages(arena, 0, 2), PointerTo(3));
  EXPECT_EQ(AllocateArenaPages(arena, 0, 1), PointerTo(1));
  EXPECT_EQ(Free(arena), kPages - 5);
}

TEST_F(ArenaTest, PagesAreZeroAgain) {
  MapView& arena = MakeArena();
  AllocateArenaPages(arena, 0, 1);
  *FindArenaMemory(arena, 0, 1) = std::byte{7};
  FreeArenaPages(arena, PointerTo(0), 1);
  EXPECT_EQ(FindArenaMemory(arena, 0, 1), nullptr);
  ASSERT_EQ(AllocateArenaPages(arena, 0, 1), PointerTo(0));
  EXPECT_EQ(*FindArenaMemory(arena, 0, 1), std::byte{0});
}

TEST_F(ArenaTest, AccessesEndWithTheirPages) {
  MapView& arena = MakeArena();
  AllocateArenaPages(arena, PointerTo(kPages - 1), 1);
  const std::uint64_t end = std::uint64_t{kPages} * kPageSize;
  EXPECT_NE(FindArenaMemory(arena, end - 8, 8), nullptr);
  EXPECT_EQ(FindArenaMemory(arena, end - 7, 8), nullptr);
  EXPECT_EQ(FindArenaMemory(arena, end, 1), nullptr);
  EXPECT_EQ(FindArenaMemory(arena, end - kPageSize - 4, 8), nullptr);
  EXPECT_EQ(FindArenaMemory(arena, ~std::uint64_t{0}, 8), nullptr);
  EXPECT_EQ(FindArenaMemory(arena, PointerTo(kPages - 1), 8), nullptr) << "the upper half is no part of it";
}

TEST_F(ArenaTest, WhatUserSpaceTouchedIsItsOwn) {
  MapView& arena = MakeArena();
  arena.data[3 * kPageSize] = std::byte{9};
  EXPECT_FALSE(IsThere(arena, 2));
  EXPECT_EQ(AllocateArenaPages(arena, PointerTo(3), 1), 0U);
  EXPECT_TRUE(IsThere(arena, 3));
  EXPECT_EQ(AllocateArenaPages(arena, 0, 4), PointerTo(4));
  EXPECT_EQ(arena.data[3 * kPageSize], std::byte{9});
}

TEST_F(ArenaTest, WithFaultsUserSpaceGetsNoPages) {
  MapView& arena = MakeArena(map_flags::kSegvOnFault);
  arena.data[0] = std::byte{9};
  EXPECT_FALSE(IsThere(arena, 0));
  EXPECT_EQ(AllocateArenaPages(arena, 0, 1), PointerTo(0));
  EXPECT_EQ(arena.data[0], std::byte{0});
}

TEST_F(ArenaTest, ReservedPagesAreNotGiven) {
  MapView& arena = MakeArena();
  AllocateArenaPages(arena, PointerTo(5), 1);
  EXPECT_EQ(ReserveArenaPages(arena, PointerTo(0), 2), 0);
  EXPECT_EQ(ReserveArenaPages(arena, PointerTo(4), 2), -EBUSY);
  EXPECT_EQ(ReserveArenaPages(arena, PointerTo(63), 2), -EINVAL);
  EXPECT_EQ(ReserveArenaPages(arena, PointerTo(0), 0), 0);
  EXPECT_FALSE(IsThere(arena, 0));
  EXPECT_EQ(AllocateArenaPages(arena, 0, 1), PointerTo(2));
  FreeArenaPages(arena, PointerTo(0), 1);
  EXPECT_EQ(AllocateArenaPages(arena, 0, 1), PointerTo(0));
}

// Each child takes pages, writes its number into them and looks whether they stay its own.
TEST_F(ArenaTest, ProcessesGetDifferentPages) {
  MapView& arena = MakeArena();
  std::vector<pid_t> children;
  for (int number = 1; number <= 4; ++number) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    for (int round = 0; round < 3000; ++round) {
      const std::uint32_t count = 1 + round % 3;
      const std::uint64_t pointer = AllocateArenaPages(arena, 0, count);
      if (pointer == 0) ::_exit(1);
      auto* mark = reinterpret_cast<int*>(FindArenaMemory(arena, static_cast<std::uint32_t>(pointer), 4));
      if (mark == nullptr || *mark != 0) ::_exit(2);
      *mark = number;
      ::sched_yield();
      if (*mark != number) ::_exit(3);
      FreeArenaPages(arena, pointer, count);
    }
    ::_exit(0);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << "exit code " << WEXITSTATUS(status);
  }
  EXPECT_EQ(Free(arena), kPages);
}

TEST_F(ArenaTest, SurvivesTheDeathOfAProcess) {
  MapView& arena = MakeArena();
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      while (true) FreeArenaPages(arena, AllocateArenaPages(arena, 0, 2), 2);
    }
    ::usleep(1000);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  // What a dead one held stays allocated, at most two pages of each.
  const std::uint64_t pointer = AllocateArenaPages(arena, 0, 1);
  EXPECT_NE(pointer, 0U);
  EXPECT_GE(Free(arena) + 1, kPages - 40);
  FreeArenaPages(arena, PointerTo(0), kPages);
  EXPECT_EQ(Free(arena), kPages);
}

// In a child, with a tmpfs of 64 pages of its own: what is left is given, and no more.
TEST_F(ArenaTest, WithoutMemoryThereAreNoPages) {
  MapAttributes attributes{.type = MapType::kArena, .max_entries = 1024, .flags = map_flags::kMmapable};
  attributes.map_extra = kUserAddress;
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string path = folder() + "/small";
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mkdir(path.c_str(), 0700) != 0 || ::mount("none", path.c_str(), "tmpfs", 0, "size=256k") != 0)
      ::_exit(77);
    MapGeometry geometry;
    ComputeGeometry(attributes, &geometry);
    const int fd = ::open((path + "/map").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    MapView* arena = nullptr;
    Reason reason;
    if (::ftruncate(fd, static_cast<off_t>(geometry.file_size)) != 0 ||
        CreateMap(process(), fd, attributes, geometry, {.id = 99}, &arena, &reason) != 0)
      ::_exit(1);
    if (AllocateArenaPages(*arena, 0, 1024) != 0 || AllocateArenaPages(*arena, PointerTo(9), 500) != 0) ::_exit(2);
    const std::uint32_t given = Free(*arena);
    ::_exit(given > 32 && given < 64 && !IsThere(*arena, given) ? 0 : 3);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::rmdir((folder() + "/small").c_str());
  if (status == 77 << 8) GTEST_SKIP() << "needs the right to mount a tmpfs";
  EXPECT_EQ(status, 0) << "exit code " << WEXITSTATUS(status);
}

TEST_F(ArenaTest, PointersAreTheSameInAllProcesses) {
  MapView& arena = MakeArena();
  Process* other = nullptr;
  Reason reason;
  ASSERT_EQ(OpenProcess(folder().c_str(), &other, &reason), 0) << reason.text;
  MapView* theirs = nullptr;
  ASSERT_EQ(OpenMapById(*other, folder_fd(), arena.id, &theirs, &reason), 0) << reason.text;
  const std::uint64_t pointer = AllocateArenaPages(*theirs, 0, 1);
  EXPECT_EQ(pointer, PointerTo(0));
  std::byte* here = FindArenaMemory(arena, static_cast<std::uint32_t>(pointer), 1);
  std::byte* there = FindArenaMemory(*theirs, static_cast<std::uint32_t>(pointer), 1);
  EXPECT_NE(here, there);
  *there = std::byte{4};
  EXPECT_EQ(*here, std::byte{4});
  EXPECT_FALSE(FixArenaAddress(arena, kUserAddress + kPageSize));
  EXPECT_TRUE(FixArenaAddress(arena, kUserAddress));
  ReleaseMap(theirs);
  CloseProcess(other);
}

TEST_F(ArenaTest, AHostileTableLeadsNowhereElse) {
  MapView& arena = MakeArena();
  std::memset(arena.table, 0xff, kPages);
  arena.header->kind_state[1] = ~std::uint64_t{0};
  EXPECT_EQ(AllocateArenaPages(arena, 0, 1), 0U);
  FreeArenaPages(arena, PointerTo(0), ~0U);
  EXPECT_FALSE(IsThere(arena, 0));
  std::memset(arena.table, 0, kPages);
  arena.header->kind_state[0] = 0xfffffffffffff000;
  EXPECT_EQ(FindArenaMemory(arena, 0, 8), nullptr);
  EXPECT_EQ(AllocateArenaPages(arena, 0, 1), 0xfffffffffffff000);
}

}  // namespace
}  // namespace strata::runtime
