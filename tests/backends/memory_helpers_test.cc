// Helpers that read and write memory that may not be there.
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "helper_fixture.h"

namespace strata {
namespace {

constexpr std::size_t kRoom = 512;
constexpr std::uint64_t kKernelAddress = 0xffff888000000000;
constexpr std::uint64_t kNobodys = 0x0000800000000000;  // not canonical
constexpr std::uint64_t kVsyscall = 0xffffffffff600000;
constexpr std::uint64_t kLastPage = 0x7fffffffe000;

struct Request {
  std::uint32_t helper;
  std::uint32_t size;
  std::uint64_t address;
};
struct Answer {
  std::int64_t result;
  std::array<unsigned char, kRoom> bytes;
};

struct WriteRequest {
  std::uint64_t address;
  std::uint64_t size;
  std::array<char, 16> bytes;
};

// Two pages: memory, then nothing.
class EdgeOfMemory {
 public:
  EdgeOfMemory() : pages_(::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    // The kernel's reads bring no page in that was never touched.
    std::memset(Start(), 0, 4096);
    ::mprotect(Start() + 4096, 4096, PROT_NONE);
  }
  ~EdgeOfMemory() { ::munmap(pages_, 8192); }
  EdgeOfMemory(const EdgeOfMemory&) = delete;
  EdgeOfMemory& operator=(const EdgeOfMemory&) = delete;
  char* Start() const { return static_cast<char*>(pages_); }
  char* End() const { return Start() + 4096; }

 private:
  void* pages_;
};

template <typename T>
class MemoryHelpersTest : public testing::HelperTest<T> {
 protected:
  void SetUp() override { this->Load(STRATA_BPF_MEMORY_HELPERS); }

  // Into a room of 0xcc bytes.
  Answer Read(std::uint32_t helper, const void* address, std::uint32_t size) {
    Answer room{};
    room.bytes.fill(0xcc);
    this->Set("answer", room);
    return this->template Ask<Answer>("read_memory", Request{helper, size, reinterpret_cast<std::uint64_t>(address)});
  }
  Answer Read(std::uint32_t helper, std::uint64_t address, std::uint32_t size) {
    return Read(helper, reinterpret_cast<const void*>(address), size);
  }
};
TYPED_TEST_SUITE(MemoryHelpersTest, testing::HelperKinds, testing::BackendNames);

constexpr std::uint32_t kReads[] = {BPF_FUNC_probe_read, BPF_FUNC_probe_read_user, BPF_FUNC_copy_from_user};

TYPED_TEST(MemoryHelpersTest, EverySizeIsReadAndNothingBehindIt) {
  std::array<unsigned char, kRoom> source{};
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<unsigned char>(i * 7 + 1);
  for (const std::uint32_t size : {1U, 2U, 3U, 4U, 5U, 7U, 8U, 9U, 15U, 16U, 17U, 63U, 255U, 256U, 257U, 511U}) {
    for (const std::uint32_t helper : kReads) {
      const Answer answer = this->Read(helper, source.data(), size);
      EXPECT_EQ(answer.result, 0) << helper;
      EXPECT_EQ(std::memcmp(answer.bytes.data(), source.data(), size), 0) << helper << " of " << size;
      EXPECT_EQ(answer.bytes[size], 0xcc) << helper << " of " << size;
    }
  }
}

TYPED_TEST(MemoryHelpersTest, WhatIsNotThereIsAFaultAndZeros) {
  const EdgeOfMemory edge;
  const std::uint64_t end = reinterpret_cast<std::uint64_t>(edge.End());
  for (const std::uint32_t helper : kReads) {
    for (const std::uint64_t address :
         {std::uint64_t{0}, std::uint64_t{8}, end, end - 3, kLastPage, kKernelAddress, kNobodys, kVsyscall}) {
      // Chooses by the address.
      const bool is_kernels = helper == BPF_FUNC_probe_read && address >= kNobodys;
      if (is_kernels && address == kKernelAddress) continue;  // read by the kernel
      for (const std::uint32_t size : {4U, 8U, 40U, 300U}) {
        const Answer answer = this->Read(helper, address, size);
        EXPECT_EQ(answer.result, is_kernels ? -ERANGE : -EFAULT) << helper << " at " << std::hex << address;
        EXPECT_THAT(std::vector(answer.bytes.begin(), answer.bytes.begin() + size), ::testing::Each(0));
        EXPECT_EQ(answer.bytes[size], 0xcc);
      }
    }
    EXPECT_EQ(this->Read(helper, end - 300, 300).result, 0) << helper;
  }
}

TYPED_TEST(MemoryHelpersTest, NothingIsReadFromNowhere) {
  for (const std::uint32_t helper : kReads) {
    EXPECT_EQ(this->Read(helper, std::uint64_t{0}, 0).result, 0) << helper;
    EXPECT_EQ(this->Read(helper, std::uint64_t{64}, 0).bytes[0], 0xcc) << helper;
  }
  EXPECT_EQ(this->Read(BPF_FUNC_probe_read_user, kKernelAddress, 0).result, -EFAULT);
  EXPECT_EQ(this->Read(BPF_FUNC_copy_from_user, kKernelAddress, 0).result, 0);
}

TYPED_TEST(MemoryHelpersTest, KernelReadsOfWhatIsNoKernelMemory) {
  for (const std::uint32_t helper : {BPF_FUNC_probe_read_kernel, BPF_FUNC_probe_read_kernel_str}) {
    for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{64}, kNobodys, kVsyscall}) {
      const Answer answer = this->Read(helper, address, 8);
      EXPECT_EQ(answer.result, -ERANGE) << helper << " at " << std::hex << address;
      EXPECT_THAT(std::vector(answer.bytes.begin(), answer.bytes.begin() + 8), ::testing::Each(0));
    }
    EXPECT_EQ(this->Read(helper, 0xfffffffffffff000, 8).result, -EFAULT) << "a kernel address without memory";
  }
}

TYPED_TEST(MemoryHelpersTest, StringsAreCountedWithTheirEnd) {
  const std::string text = "a string of thirty characters.";
  for (const std::uint32_t helper : {BPF_FUNC_probe_read_str, BPF_FUNC_probe_read_user_str}) {
    for (const std::uint32_t size : {1U, 2U, 7U, 8U, 9U, 16U, 30U}) {
      const Answer answer = this->Read(helper, text.c_str(), size);
      EXPECT_EQ(answer.result, size);
      EXPECT_EQ(std::string(reinterpret_cast<const char*>(answer.bytes.data())), text.substr(0, size - 1));
      EXPECT_EQ(answer.bytes[size], 0xcc);
    }
    for (std::size_t length = 0; length <= text.size(); ++length) {
      const Answer answer = this->Read(helper, text.c_str() + text.size() - length, 64);
      EXPECT_EQ(answer.result, length + 1);
      EXPECT_EQ(answer.bytes[length], 0);
      // The last word's rest, which the kernel writes too.
      EXPECT_EQ(answer.bytes[length / 8 * 8 + 7], 0);
      EXPECT_EQ(answer.bytes[length / 8 * 8 + 8], 0xcc);
    }
    EXPECT_EQ(this->Read(helper, text.c_str(), 0).result, 0);
    EXPECT_EQ(this->Read(helper, text.c_str(), 0).bytes[0], 0xcc);
  }
}

TYPED_TEST(MemoryHelpersTest, StringsMayEndWhereMemoryEnds) {
  const EdgeOfMemory edge;
  for (const std::uint32_t helper : {BPF_FUNC_probe_read_str, BPF_FUNC_probe_read_user_str}) {
    for (std::size_t length = 0; length < 20; ++length) {
      std::memset(edge.End() - 32, 'x', 32);
      edge.End()[-1] = 0;
      const Answer answer = this->Read(helper, edge.End() - length - 1, 64);
      EXPECT_EQ(answer.result, length + 1);
      EXPECT_EQ(std::strlen(reinterpret_cast<const char*>(answer.bytes.data())), length);
      // No word reaches behind the page: byte by byte, and nothing behind the end.
      EXPECT_EQ(answer.bytes[length + 1], 0xcc) << length;
    }
    edge.End()[-1] = 'x';
    const Answer answer = this->Read(helper, edge.End() - 20, 64);
    EXPECT_EQ(answer.result, -EFAULT);
    EXPECT_THAT(std::vector(answer.bytes.begin(), answer.bytes.begin() + 64), ::testing::Each(0));
    EXPECT_EQ(this->Read(helper, edge.End() - 20, 20).result, 20) << "as many as there are";
    EXPECT_EQ(this->Read(helper, std::uint64_t{0}, 8).result, -EFAULT);
    EXPECT_EQ(this->Read(helper, kNobodys, 8).result, helper == BPF_FUNC_probe_read_str ? -ERANGE : -EFAULT);
  }
}

// Not on the kernel: one that is locked down, as here, refuses to load a program that writes.
template <typename T>
class MemoryWriteTest : public testing::HelperTest<T> {
 protected:
  void SetUp() override { this->Load(STRATA_BPF_MEMORY_WRITE); }
  std::int64_t Write(void* address, std::string_view bytes) {
    WriteRequest request{reinterpret_cast<std::uint64_t>(address), bytes.size(), {}};
    std::memcpy(request.bytes.data(), bytes.data(), bytes.size());
    return this->template Ask<std::int64_t>("write_memory", request);
  }
};
using UserspaceKinds = ::testing::Types<testing::UserspaceKind, testing::FaultingKind>;
TYPED_TEST_SUITE(MemoryWriteTest, UserspaceKinds, testing::BackendNames);

TYPED_TEST(MemoryWriteTest, ReachesWhatIsWritable) {
  char target[32] = "................";
  EXPECT_EQ(this->Write(target, "written"), 0);
  EXPECT_STREQ(target, "written.........");
  EXPECT_EQ(this->Write(target + 2, "X"), 0);
  EXPECT_STREQ(target, "wrXtten.........");
}

TYPED_TEST(MemoryWriteTest, FaultsWhereTheProgramItselfWould) {
  const EdgeOfMemory edge;
  edge.End()[-4] = 'k';
  ASSERT_EQ(::mprotect(edge.Start(), 4096, PROT_READ), 0);
  EXPECT_EQ(this->Write(edge.End() - 4, "abc"), -EFAULT);
  EXPECT_EQ(edge.End()[-4], 'k');
  EXPECT_EQ(this->Write(edge.End(), "abc"), -EFAULT);
  EXPECT_EQ(this->Write(nullptr, "abc"), -EFAULT);
  EXPECT_EQ(this->Write(reinterpret_cast<void*>(kKernelAddress), "abc"), -EFAULT);
}

}  // namespace
}  // namespace strata
