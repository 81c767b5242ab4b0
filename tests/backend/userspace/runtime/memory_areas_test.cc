// Both ways to find an area of memory.
#include "strata/backend/userspace/runtime/memory_areas.h"

#include <asm/errno.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace strata::runtime {
namespace {

struct Line {
  std::uint64_t begin, end;
  bool is_shared;
  std::uint64_t inode;
};

std::vector<Line> ReadLines() {
  std::vector<Line> lines;
  std::ifstream file("/proc/self/maps");
  for (std::string text; std::getline(file, text);) {
    std::istringstream words(text);
    std::string range, rights, offset, device;
    Line line{};
    words >> range >> rights >> offset >> device >> line.inode;
    line.begin = std::stoull(range, nullptr, 16);
    line.end = std::stoull(range.substr(range.find('-') + 1), nullptr, 16);
    line.is_shared = rights[3] == 's';
    if (line.begin >> 63 == 0) lines.push_back(line);  // the vsyscall page is no area of the process
  }
  return lines;
}

TEST(MemoryAreas, TheTextSaysWhatTheKernelAnswers) {
  const std::vector<Line> lines = ReadLines();
  ASSERT_GT(lines.size(), 5U);
  int compared = 0;
  for (const Line& line : lines) {
    MemoryArea asked{};
    MemoryArea read{};
    // Allocations of the test itself may have moved an end since.
    if (FindMemoryArea(line.begin, &asked) != 0 || FindMemoryAreaInText(line.begin, &read) != 0) continue;
    if (asked.end != line.end) continue;
    ++compared;
    EXPECT_EQ(asked.begin, read.begin);
    EXPECT_EQ(asked.end, read.end);
    EXPECT_EQ(asked.flags, read.flags);
    EXPECT_EQ(asked.inode, read.inode);
    EXPECT_EQ(asked.device, read.device);
    EXPECT_EQ((read.flags & 8) != 0, line.is_shared);
    EXPECT_EQ(read.inode, line.inode);
  }
  EXPECT_GT(compared, 5);
}

TEST(MemoryAreas, GapsHaveNone) {
  MemoryArea area;
  auto* gone = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ::munmap(gone, 4096);
  EXPECT_EQ(FindMemoryArea(reinterpret_cast<std::uint64_t>(gone), &area), -ENOENT);
  EXPECT_EQ(FindMemoryAreaInText(reinterpret_cast<std::uint64_t>(gone), &area), -ENOENT);
  EXPECT_EQ(FindMemoryAreaInText(16, &area), -ENOENT);
  EXPECT_EQ(FindMemoryAreaInText(0xffffffffff600000, &area), -ENOENT);
}

TEST(MemoryAreas, ALongListIsNotReadToItsEnd) {
  // Areas that cannot be one: every other page has other rights. Each line of the text is longer than 50 bytes.
  constexpr std::size_t kPages = 30'000;
  auto* pages = static_cast<std::byte*>(
      ::mmap(nullptr, kPages * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  for (std::size_t i = 0; i < kPages; i += 2) ASSERT_EQ(::mprotect(pages + i * 4096, 4096, PROT_READ), 0);
  MemoryArea area;
  const char here = 0;  // the stack lies behind them
  EXPECT_EQ(FindMemoryAreaInText(reinterpret_cast<std::uint64_t>(&here), &area), -EBUSY);
  EXPECT_EQ(FindMemoryArea(reinterpret_cast<std::uint64_t>(pages) + 4096, &area), 0);
  EXPECT_EQ(area.end - area.begin, 4096U);
  ::munmap(pages, kPages * 4096);
}

}  // namespace
}  // namespace strata::runtime
