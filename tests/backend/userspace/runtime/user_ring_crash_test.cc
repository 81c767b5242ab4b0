// Readers of a user ring buffer that are killed.
#include <sys/mman.h>

#include <atomic>
#include <new>
#include <vector>

#include "killed_at.h"
#include "session_fixture.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"
#include "strata/backend/userspace/runtime/user_ring.h"

namespace strata::runtime {
namespace {

class UserRingCrashTest : public RuntimeTest {
 protected:
  static constexpr std::uint64_t kStep = kRecordHeaderSize + sizeof(std::uint64_t);

  static void Write(MapView& ring, std::uint64_t number) {
    const std::uint64_t position = *ProducerPosition(ring);
    std::byte* at = RingData(ring) + (position & (ring.max_entries - 1));
    const std::uint64_t header = sizeof(number);
    std::memcpy(at, &header, sizeof(header));
    std::memcpy(at + kRecordHeaderSize, &number, sizeof(number));
    __atomic_store_n(ProducerPosition(ring), position + kStep, __ATOMIC_RELEASE);
  }
  static long Append(void* record, std::uint32_t /*size*/, void* numbers) noexcept {
    static_cast<std::vector<std::uint64_t>*>(numbers)->push_back(*static_cast<std::uint64_t*>(record));
    return 0;
  }
  static long Count(void* /*record*/, std::uint32_t /*size*/, void* count) noexcept {
    ++*static_cast<std::atomic<std::uint64_t>*>(count);
    return 0;
  }
  static std::vector<std::uint64_t> Read(MapView& ring) {
    std::vector<std::uint64_t> numbers;
    const long count = DrainUserRing(ring, 0, Append, &numbers);
    EXPECT_EQ(count, static_cast<long>(numbers.size()));
    return numbers;
  }
};

TEST_F(UserRingCrashTest, AReaderKilledAnywhereLeavesTheRestToTheNext) {
  MapView& ring = MakeMap(MapType::kUserRingBuf, 0, 0, 4096);
  void* shared = ::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto& visited = *new (shared) std::atomic<std::uint64_t>(0);
  std::uint64_t start = 0;
  const auto prepare = [&] {
    Read(ring);
    visited = 0;
    start = *ConsumerPosition(ring);
    for (std::uint64_t number = 1; number <= 3; ++number) Write(ring, number);
  };
  const int killed = KilledAtEachInstruction(
      prepare, [&] { DrainUserRing(ring, 0, Count, shared); },
      [&](int step) {
        const std::uint64_t taken = (*ConsumerPosition(ring) - start) / kStep;
        ASSERT_TRUE(visited == taken || visited == taken + 1) << "step " << step;
        std::vector<std::uint64_t> rest;
        for (std::uint64_t number = taken + 1; number <= 3; ++number) rest.push_back(number);
        ASSERT_EQ(Read(ring), rest) << "step " << step;
        ASSERT_TRUE(Read(ring).empty()) << "step " << step;
      });
  EXPECT_GT(killed, 20);
  ::munmap(shared, kPageSize);
}

}  // namespace
}  // namespace strata::runtime
