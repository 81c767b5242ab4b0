// Values per thread, as programs get them.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "killed_at.h"
#include "session_fixture.h"
#include "strata/backend/userspace/runtime/helpers/table.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kTask = 8;  // some address: of the current task, the only one that programs can name
constexpr std::uint64_t kFind = 0;
constexpr std::uint64_t kCreate = 1;
constexpr std::uint32_t kNoPrealloc = 1;

class TaskStorageTest : public RuntimeTest {
 protected:
  void SetUp() override {
    RuntimeTest::SetUp();
    map_ = &MakeMap(MapType::kTaskStorage, 4, 8, 0, kNoPrealloc);
  }
  static std::uint64_t* Get(MapView& map, std::uint64_t flags, const void* initial = nullptr,
                            std::uint64_t task = kTask) {
    RunContext run;
    run.process = map.process;
    return reinterpret_cast<std::uint64_t*>(FindHelper(156)(reinterpret_cast<std::uint64_t>(&map), task,
                                                            reinterpret_cast<std::uint64_t>(initial), flags, 0, &run));
  }
  static long Delete(MapView& map, std::uint64_t task = kTask) {
    RunContext run;
    run.process = map.process;
    return static_cast<long>(FindHelper(157)(reinterpret_cast<std::uint64_t>(&map), task, 0, 0, 0, &run));
  }
  MapView& map() { return *map_; }

 private:
  MapView* map_ = nullptr;
};

TEST_F(TaskStorageTest, IsMadeFromTheInitialValueOrZero) {
  const std::uint64_t initial = 42;
  EXPECT_EQ(Get(map(), kFind, &initial), nullptr);
  std::uint64_t* value = Get(map(), kCreate, &initial);
  ASSERT_NE(value, nullptr);
  EXPECT_EQ(*value, 42U);
  EXPECT_EQ(Get(map(), kCreate), value);
  EXPECT_EQ(Delete(map()), 0);
  EXPECT_EQ(Delete(map()), -ENOENT);
  EXPECT_EQ(*Get(map(), kCreate), 0U);
}

TEST_F(TaskStorageTest, RefusesFlagsAndTasksThatAreNone) {
  EXPECT_EQ(Get(map(), 2), nullptr);
  EXPECT_EQ(Get(map(), kCreate, nullptr, 0), nullptr);
  EXPECT_EQ(Delete(map(), 0), -EINVAL);
  EXPECT_EQ(Get(MakeMap(MapType::kArray, 4, 8, 1), kCreate), nullptr);
}

TEST_F(TaskStorageTest, ThreadsThatEndedMakeRoom) {
  MapView& large = MakeMap(MapType::kTaskStorage, 4, 32'000, 0, kNoPrealloc);
  std::uint64_t* own = Get(large, kCreate);
  *own = 7;
  for (int i = 0; i < 300; ++i) {
    std::thread([&] {
      std::uint64_t* value = Get(large, kCreate);
      ASSERT_NE(value, nullptr);
      EXPECT_EQ(*value, 0U);
      *value = 1000;
    }).join();
  }
  EXPECT_EQ(Get(large, kFind), own);
  EXPECT_EQ(*own, 7U);
}

TEST_F(TaskStorageTest, ThreadsThatLiveKeepTheirs) {
  MapView& large = MakeMap(MapType::kTaskStorage, 4, 32'000, 0, kNoPrealloc);
  std::atomic<int> made{0};
  std::atomic<int> refused{0};
  std::atomic<bool> is_done{false};
  std::vector<std::thread> threads;
  for (std::uint64_t i = 1; i <= 80; ++i) {
    threads.emplace_back([&, i] {
      std::uint64_t* value = Get(large, kCreate);
      if (value == nullptr) {
        ++refused;
        return;
      }
      *value = i;
      ++made;
      while (!is_done) std::this_thread::yield();
      EXPECT_EQ(*Get(large, kFind), i);
    });
    while (made + refused < static_cast<int>(i)) std::this_thread::yield();
  }
  is_done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 64);
  EXPECT_EQ(refused, 16);
}

TEST_F(TaskStorageTest, AForkedChildHasNone) {
  *Get(map(), kCreate) = 7;
  const pid_t child = ::fork();
  if (child == 0) {
    if (Get(map(), kFind) != nullptr) ::_exit(1);
    std::uint64_t* value = Get(map(), kCreate);
    ::_exit(value != nullptr && *value == 0 ? 0 : 2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(*Get(map(), kFind), 7U);
}

TEST_F(TaskStorageTest, AnEarlierThreadsValueIsNotTakenForOnesOwn) {
  *Get(map(), kCreate) = 7;
  // As if a thread that had this id before had made it: the element begins with the id and the time of the start.
  auto* start = Get(map(), kFind) - 1;
  *start += 1;
  EXPECT_EQ(Get(map(), kFind), nullptr);
  EXPECT_EQ(*Get(map(), kCreate), 0U);
}

// The elements of threads in the table: as many, each with the words 1 to 4.
int CountWholeValues(MapView& map) {
  struct Element {
    std::uint64_t thread;
    std::uint64_t start;
    std::uint64_t words[4];
  };
  EXPECT_EQ(map.derived[0], sizeof(Element));
  int count = 0;
  for (std::uint64_t i = 0; i <= map.derived[1]; ++i) {
    const auto& element = *reinterpret_cast<const Element*>(map.table + i * sizeof(Element));
    if (element.thread <= 1) continue;  // free
    for (std::uint64_t word = 0; word < 4; ++word) EXPECT_EQ(element.words[word], word + 1);
    ++count;
  }
  return count;
}

TEST_F(TaskStorageTest, AMakerKilledAnywhereLeavesAWholeValueOrNone) {
  MapView& map = MakeMap(MapType::kTaskStorage, 4, 32, 0, kNoPrealloc);
  constexpr std::uint64_t kInitial[] = {1, 2, 3, 4};
  int before = 0;
  const auto make = [&] {
    WithoutSteps([&] { Get(map, kFind); });  // reads of /proc who it is, once
    Get(map, kCreate, kInitial);
  };
  const auto check = [&](int step) {
    const int made = CountWholeValues(map) - before;
    ASSERT_TRUE(made == 0 || made == 1) << "step " << step;
    // And it holds nobody up.
    ASSERT_NE(Get(map, kCreate, kInitial), nullptr) << "step " << step;
    ASSERT_EQ(Delete(map), 0) << "step " << step;
  };
  const int killed = KilledAtEachInstruction([&] { before = CountWholeValues(map); }, make, check);
  EXPECT_GT(killed, 20);
  EXPECT_GT(CountWholeValues(map), 1) << "some were killed after they had made theirs";
}

}  // namespace
}  // namespace strata::runtime
