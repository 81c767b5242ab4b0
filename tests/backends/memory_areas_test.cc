// bpf_find_vma: the area of memory that an address lies in, given to a callback.
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "helper_fixture.h"

namespace strata {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::uint64_t kRead = 1;
constexpr std::uint64_t kWrite = 2;
constexpr std::uint64_t kExecute = 4;
constexpr std::uint64_t kShared = 8;

struct Request {
  std::uint64_t address, other_address, flags;
};
struct Answer {
  std::int64_t status, other_status;
  std::uint64_t calls, begin, end, flags, inode, device;
  std::uint64_t begin_after;
  std::uint64_t state;
  std::uint32_t pid, is_own_memory;
};

std::uint64_t AddressOf(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

// Two pages that may be written among others that may not be touched, so that they are an area of their own.
class Pages {
 public:
  Pages() : begin_(static_cast<std::byte*>(::mmap(nullptr, 4 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    ::mprotect(begin_ + kPage, 2 * kPage, PROT_READ | PROT_WRITE);
  }
  ~Pages() { ::munmap(begin_, 4 * kPage); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  std::uint64_t begin() const { return AddressOf(begin_) + kPage; }
  std::uint64_t end() const { return begin() + 2 * kPage; }

 private:
  std::byte* begin_;
};

template <typename T>
class MemoryAreasTest : public testing::HelperTest<T> {
 protected:
  void SetUp() override { this->Load(STRATA_BPF_MEMORY_AREAS); }
  Answer Find(const Request& request, const char* program = "find") {
    this->Set("answer", Answer{});
    return this->template Ask<Answer>(program, request);
  }
};
TYPED_TEST_SUITE(MemoryAreasTest, testing::HelperKinds, testing::BackendNames);

TYPED_TEST(MemoryAreasTest, TheCallbackSeesTheAreaOnce) {
  const Pages pages;
  for (const std::uint64_t address : {pages.begin(), pages.begin() + 5, pages.end() - 1}) {
    const Answer answer = this->Find({address, 0, 0});
    EXPECT_EQ(answer.status, 0);
    EXPECT_EQ(answer.calls, 1U);
    EXPECT_EQ(answer.begin, pages.begin());
    EXPECT_EQ(answer.end, pages.end());
    EXPECT_EQ(answer.flags & (kRead | kWrite | kExecute | kShared), kRead | kWrite);
    EXPECT_EQ(answer.inode, 0U) << "no file";
    EXPECT_EQ(answer.pid, static_cast<std::uint32_t>(::getpid()));
    EXPECT_EQ(answer.is_own_memory, 1U);
    EXPECT_EQ(answer.state, 4711U);
  }
}

TYPED_TEST(MemoryAreasTest, AnAddressOutsideOfAllAreasHasNone) {
  constexpr std::uint64_t kBelowAll = 16;
  constexpr std::uint64_t kOfVsyscall = 0xffffffffff600000;  // /proc/self/maps has it
  for (const std::uint64_t address : {kBelowAll, kOfVsyscall, ~std::uint64_t{0}}) {
    const Answer answer = this->Find({address, 0, 0});
    EXPECT_EQ(answer.status, -ENOENT) << address;
    EXPECT_EQ(answer.calls, 0U);
  }
}

TYPED_TEST(MemoryAreasTest, FlagsAreRefusedFirst) { EXPECT_EQ(this->Find({16, 0, 1}).status, -EINVAL); }

TYPED_TEST(MemoryAreasTest, MappedFilesAreKnown) {
  const UniqueFd file(::memfd_create("strata_test", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), kPage), 0);
  void* mapped = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  struct stat status {};
  ::fstat(file.get(), &status);
  const Answer answer = this->Find({AddressOf(mapped), 0, 0});
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.begin, AddressOf(mapped));
  EXPECT_EQ(answer.flags & (kRead | kWrite | kExecute | kShared), kRead | kWrite | kShared);
  EXPECT_EQ(answer.inode, status.st_ino);
  EXPECT_EQ(answer.device, (std::uint64_t{major(status.st_dev)} << 20) | minor(status.st_dev));
  ::munmap(mapped, kPage);
}

TYPED_TEST(MemoryAreasTest, CodeMayBeExecuted) {
  const Answer answer = this->Find({reinterpret_cast<std::uint64_t>(&::getpid), 0, 0});
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.flags & (kRead | kWrite | kExecute | kShared), kRead | kExecute);
}

TYPED_TEST(MemoryAreasTest, ThreadsHaveTheAreasOfTheirProcess) {
  const Pages pages;
  std::thread([&] {
    EXPECT_EQ(this->Find({pages.begin(), 0, 0}).end, pages.end());
    const Answer answer = this->Find({pages.begin(), 0, 0}, "find_by_leader");
    EXPECT_EQ(answer.status, 0);
    EXPECT_EQ(answer.end, pages.end());
  }).join();
}

TYPED_TEST(MemoryAreasTest, ACallbackMayAskAgain) {
  const Pages outer;
  const Pages inner;
  const Answer answer = this->Find({outer.begin(), inner.begin(), 0}, "find_twice");
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.other_status, 0);
  EXPECT_EQ(answer.begin, inner.begin());
  EXPECT_EQ(answer.begin_after, outer.begin());
}

using MemoryAreasOfUserspace = MemoryAreasTest<testing::UserspaceKind>;

TEST_F(MemoryAreasOfUserspace, OtherProcessesHaveNone) {
  const Pages pages;
  EXPECT_EQ(Find({pages.begin(), 0, 0}, "find_in_parent").status, -ENOENT);
}

}  // namespace
}  // namespace strata
