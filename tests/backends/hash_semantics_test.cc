// What hashes and arrays answer, on both backends: creation, LRU eviction, locks in values, walks by programs.
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "fixture.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using strata::testing::KernelKind;
using strata::testing::SessionFolder;

template <typename T>
int ErrnoOf(const Result<T>& result) {
  return result ? 0 : result.error().sys_errno();
}

struct Locked {
  std::uint32_t lock;
  std::uint32_t reserved;
  std::uint64_t first;
  std::uint64_t second;
};

// The kernel's LRU lists are per CPU.
class OnOneCpu {
 public:
  OnOneCpu() {
    ::sched_getaffinity(0, sizeof(before_), &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    ::sched_setaffinity(0, sizeof(one), &one);
  }
  ~OnOneCpu() { ::sched_setaffinity(0, sizeof(before_), &before_); }
  OnOneCpu(const OnOneCpu&) = delete;
  OnOneCpu& operator=(const OnOneCpu&) = delete;

 private:
  cpu_set_t before_{};
};

template <typename Kind>
class HashSemanticsTest : public BackendTest<Kind> {
 protected:
  void Load(std::vector<std::string> programs) {
    LoadOptions options;
    options.programs = std::move(programs);
    options.unused_maps = UnusedMaps::kSkip;
    objects_.emplace(LoadCollection(this->backend_, std::string(STRATA_BPF_HASH_SEMANTICS), options).value());
  }

  std::uint32_t Run(const char* program) const {
    constexpr std::array<std::byte, 64> kPacket{};
    TestRunOptions options;
    if (std::is_same_v<Kind, KernelKind>) options.data_in = kPacket;
    return const_cast<Collection&>(*objects_).FindProgram(program).value()->TestRun(options).value().return_value;
  }

  // 0 for a run that ended because it waited too long for a lock; the kernel's never does.
  std::uint32_t RunOrGiveUp(const char* program) const {
    try {
      return Run(program);
    } catch (const BadResult& error) {
      EXPECT_FALSE((std::is_same_v<Kind, KernelKind>)) << error.what();
      return 0;
    }
  }

  Map& MapOf(const char* name) { return *objects_->FindMap(name).value(); }

  static Result<void> Put(Map& map, std::uint32_t key, const Locked& value, UpdateMode mode) {
    return map.Update(std::as_bytes(std::span(&key, 1)), std::as_bytes(std::span(&value, 1)), mode);
  }
  static Result<bool> Get(const Map& map, std::uint32_t key, Locked* value, LookupMode mode) {
    return map.Lookup(std::as_bytes(std::span(&key, 1)), std::as_writable_bytes(std::span(value, 1)), mode);
  }

  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(HashSemanticsTest, BackendKinds, BackendNames);

// --- Creation --------------------------------------------------------------------------------------------------------
constexpr int kTokenBit = 16;  // BPF_F_TOKEN_FD says that another field holds a descriptor

struct Sizes {
  std::uint32_t key;
  std::uint32_t value;
  std::uint32_t entries;
};

// Every flag alone and some together, with sizes that are and that are not possible: the kernel's errno is right.
TEST(MapCreation, HasTheSameErrorsOnBothBackends) {
  const auto kernel = OpenBackend("kernel");
  if (!kernel) GTEST_SKIP() << "lacks the right to use bpf(2)";
  const SessionFolder folder;
  const auto userspace =
      OpenBackend("userspace", {.session = "test", .runtime_folder = folder.path(), .agent_path = {}}).value();
  std::vector<std::uint32_t> flags = {0, 1 | 2, 1 | 4, 2 | 4, 8 | 16, 128 | 256, 8 | 128, 1 | 64, 2 | 64, 4 | 1024};
  for (int bit = 0; bit < 32; ++bit) {
    if (bit != kTokenBit) flags.push_back(1U << bit);
  }
  constexpr Sizes kSizes[] = {{4, 8, 16}, {8, 8, 16},      {0, 8, 16},      {4, 0, 16},
                              {4, 8, 0},  {4, 32768, 1},   {4, 32769, 1},   {4, 4 << 20, 1},
                              {64, 1, 3}, {1 << 20, 8, 1}, {4 << 20, 8, 1}, {600, 1 << 20, 1}};
  for (const MapType type : {MapType::kHash, MapType::kPerCpuHash, MapType::kLruHash, MapType::kLruPerCpuHash,
                             MapType::kArray, MapType::kPerCpuArray}) {
    for (const std::uint32_t flag : flags) {
      for (const Sizes& sizes : kSizes) {
        MapSpec spec;
        spec.name = "made";
        spec.type = type;
        spec.key_size = sizes.key;
        spec.value_size = sizes.value;
        spec.max_entries = sizes.entries;
        spec.flags = flag;
        EXPECT_EQ(ErrnoOf((*kernel)->CreateMap(spec, nullptr)), ErrnoOf(userspace->CreateMap(spec, nullptr)))
            << "type " << static_cast<int>(type) << " flags " << flag << " key " << sizes.key << " value "
            << sizes.value << " entries " << sizes.entries;
      }
    }
  }
}

TYPED_TEST(HashSemanticsTest, LruOfEachCpuIsRoundedToTheCpus) {
  const std::uint32_t cpus = this->backend_->possible_cpus();
  for (const std::uint32_t entries : {1U, cpus, cpus + 1, 10 * cpus - 1}) {
    const Map map = this->CreateMap(MapType::kLruHash, 4, 8, entries, map_flags::kNoCommonLru);
    EXPECT_EQ(map.info().max_entries, (entries + cpus - 1) / cpus * cpus);
  }
}

// --- LRU -------------------------------------------------------------------------------------------------------------
TYPED_TEST(HashSemanticsTest, LruTakesAnyNumberOfNewKeys) {
  for (const MapType type : {MapType::kLruHash, MapType::kLruPerCpuHash}) {
    Map map = this->CreateMap(type, 4, 8, 500);
    const std::vector<std::byte> value(map.info().element_size);
    for (std::uint32_t key = 0; key < 3000; ++key)
      ASSERT_TRUE(map.Update(std::as_bytes(std::span(&key, 1)), value, UpdateMode::kNoExist)) << key;
    std::uint32_t count = 0;
    ASSERT_TRUE(map.ForEach([&](auto, auto) { return ++count, true; }));
    EXPECT_LE(count, 500U);
    EXPECT_GT(count, 200U) << "and keeps most of the last ones";
  }
}

TYPED_TEST(HashSemanticsTest, LruKeepsWhatProgramsLookUp) {
  const OnOneCpu here;
  this->Load({"look_up_16"});
  auto map = HashMap<std::uint32_t, std::uint64_t>::From(this->MapOf("recent")).value();
  for (std::uint32_t key = 0; key < 16; ++key) ASSERT_TRUE(map.Update(key, key));
  for (std::uint32_t key = 100; key < 10100; ++key) {
    ASSERT_TRUE(map.Update(key, key));
    if (key % 32 != 0) continue;
    ASSERT_EQ(this->Run("look_up_16"), 16U) << "after key " << key;
  }
}

TYPED_TEST(HashSemanticsTest, LruForgetsWhatOnlyUserSpaceLooksUp) {
  const OnOneCpu here;
  this->Load({"look_up_16"});
  auto map = HashMap<std::uint32_t, std::uint64_t>::From(this->MapOf("recent")).value();
  for (std::uint32_t key = 0; key < 16; ++key) ASSERT_TRUE(map.Update(key, key));
  for (std::uint32_t key = 100; key < 10100; ++key) {
    ASSERT_TRUE(map.Update(key, key));
    ASSERT_TRUE(map.Lookup(key % 16));
  }
  EXPECT_EQ(this->Run("look_up_16"), 0U);
}

// --- Seeds -----------------------------------------------------------------------------------------------------------
// The order in which a walk comes to 200 keys, which follows from their hashes.
std::vector<std::uint32_t> WalkOf(Map map) {
  const std::vector<std::byte> value(map.info().element_size);
  for (std::uint32_t key = 0; key < 200; ++key) {
    EXPECT_TRUE(map.Update(std::as_bytes(std::span(&key, 1)), value));
  }
  std::vector<std::uint32_t> order;
  EXPECT_TRUE(map.ForEach([&](std::span<const std::byte> key, auto) {
    std::memcpy(&order.emplace_back(), key.data(), sizeof(std::uint32_t));
    return true;
  }));
  return order;
}

TYPED_TEST(HashSemanticsTest, EachMapHasASeedOfItsOwnUnlessItIsZero) {
  const OnOneCpu here;
  for (const MapType type : {MapType::kHash, MapType::kPerCpuHash, MapType::kLruHash, MapType::kLruPerCpuHash}) {
    const auto walk = [&](std::uint32_t flags) { return WalkOf(this->CreateMap(type, 4, 8, 2048, flags)); };
    const auto unseeded = walk(map_flags::kZeroSeed);
    EXPECT_EQ(unseeded.size(), 200U);
    EXPECT_EQ(walk(map_flags::kZeroSeed), unseeded) << static_cast<int>(type);
    const auto seeded = walk(0);
    EXPECT_NE(seeded, unseeded) << static_cast<int>(type);
    EXPECT_NE(walk(0), seeded) << static_cast<int>(type);
  }
}

// --- Locks in values -------------------------------------------------------------------------------------------------
TYPED_TEST(HashSemanticsTest, LockedUpdatesKeepToModesAndHideTheLock) {
  this->Load({"update_locked_hash"});
  EXPECT_EQ(this->Run("update_locked_hash"), 0U);
  Map& map = this->MapOf("locked_hash");
  const Locked value{0xffffffff, 1, 2, 3};
  EXPECT_EQ(ErrnoOf(this->Put(map, 1, value, UpdateMode::kLock | UpdateMode::kExist)), ENOENT);
  EXPECT_EQ(ErrnoOf(this->Put(map, 1, value, UpdateMode::kLock)), 0);
  EXPECT_EQ(ErrnoOf(this->Put(map, 1, value, UpdateMode::kLock | UpdateMode::kNoExist)), EEXIST);
  EXPECT_EQ(ErrnoOf(this->Put(map, 1, value, UpdateMode::kAny)), 0);
  for (const LookupMode mode : {LookupMode::kPlain, LookupMode::kLock}) {
    Locked found{};
    EXPECT_TRUE(*this->Get(map, 1, &found, mode));
    EXPECT_EQ(found.lock, 0U) << "not what was written, and not who has it";
    EXPECT_EQ(found.second, 3U);
  }
  Locked taken{};
  const std::uint32_t key = 1;
  EXPECT_TRUE(*map.LookupAndDelete(std::as_bytes(std::span(&key, 1)), std::as_writable_bytes(std::span(&taken, 1)),
                                   LookupMode::kLock));
  EXPECT_EQ(taken.first, 2U);
}

TYPED_TEST(HashSemanticsTest, ArraysKeepToTheOrderOfChecksWithLocks) {
  this->Load({"count_under_lock"});
  Map& locked = this->MapOf("locked_array");
  const Locked value{5, 0, 1, 1};
  EXPECT_EQ(ErrnoOf(this->Put(locked, 0, value, UpdateMode::kLock)), 0);
  EXPECT_EQ(ErrnoOf(this->Put(locked, 8, value, UpdateMode::kLock)), E2BIG);
  EXPECT_EQ(ErrnoOf(this->Put(locked, 0, value, UpdateMode::kLock | UpdateMode::kNoExist)), EEXIST);
  EXPECT_EQ(ErrnoOf(this->Put(locked, 0, value, static_cast<UpdateMode>(8))), EINVAL);
  Map plain = this->CreateMap(MapType::kArray, 4, sizeof(Locked), 8);
  Locked found{};
  EXPECT_EQ(ErrnoOf(this->Put(plain, 8, value, UpdateMode::kLock)), EINVAL) << "before the index is looked at";
  EXPECT_EQ(ErrnoOf(this->Get(plain, 0, &found, LookupMode::kLock)), EINVAL);
  EXPECT_FALSE(*this->Get(locked, 8, &found, LookupMode::kLock));
}

TYPED_TEST(HashSemanticsTest, AReaderWithTheLockSeesWholeValues) {
  this->Load({"count_under_lock"});
  const Map& map = this->MapOf("locked_array");
  constexpr int kRuns = 300;
  std::atomic<int> running{2};
  std::atomic<std::uint64_t> completed{0};
  const auto count = [&] {
    for (int i = 0; i < kRuns; ++i) completed += this->RunOrGiveUp("count_under_lock");
    --running;
  };
  std::thread one(count);
  std::thread other(count);
  Locked found{};
  while (running != 0) {
    if (!this->Get(map, 1, &found, LookupMode::kLock)) continue;
    EXPECT_EQ(found.first, found.second);
  }
  one.join();
  other.join();
  ASSERT_TRUE(*this->Get(map, 1, &found, LookupMode::kPlain));
  EXPECT_EQ(found.first, found.second);
  EXPECT_GE(found.first, completed.load());
  EXPECT_GT(completed.load(), 0U);
}

// A batch of the locked maps: keys 0 to 3.
template <typename Do>
std::pair<std::uint32_t, int> Batched(std::array<Locked, 4>& values, const Do& do_it) {
  std::array<std::uint32_t, 4> keys = {0, 1, 2, 3};
  const BatchResult result = do_it(std::as_writable_bytes(std::span(keys)), std::as_writable_bytes(std::span(values)));
  return {result.count, ErrnoOf(result.status)};
}

TYPED_TEST(HashSemanticsTest, BatchesWithTheLockKeepToModes) {
  this->Load({"count_under_lock", "update_locked_hash"});
  for (const char* name : {"locked_hash", "locked_array"}) {
    Map& map = this->MapOf(name);
    const auto update = [&](UpdateMode mode) {
      std::array<Locked, 4> values{};
      return Batched(values, [&](auto keys, auto bytes) { return map.UpdateBatch(keys, bytes, mode); });
    };
    const int missing = map.info().type == MapType::kHash ? ENOENT : 0;
    EXPECT_EQ(update(UpdateMode::kLock | UpdateMode::kExist), std::pair(missing == 0 ? 4U : 0U, missing)) << name;
    EXPECT_EQ(update(UpdateMode::kLock), std::pair(4U, 0)) << name;
    EXPECT_EQ(update(UpdateMode::kLock | UpdateMode::kNoExist), std::pair(0U, EEXIST)) << name;
    EXPECT_EQ(update(UpdateMode::kLock | UpdateMode::kExist), std::pair(4U, 0)) << name;
  }
}

TYPED_TEST(HashSemanticsTest, BatchesHideTheLock) {
  this->Load({"count_under_lock", "update_locked_hash"});
  for (const char* name : {"locked_hash", "locked_array"}) {
    Map& map = this->MapOf(name);
    std::array<Locked, 4> values{};
    for (std::uint32_t i = 0; i < 4; ++i) values[i] = {0xffffffff, 5, i, i};
    const auto update = [&](auto keys, auto bytes) { return map.UpdateBatch(keys, bytes, UpdateMode::kLock); };
    ASSERT_EQ(Batched(values, update), std::pair(4U, 0));
    for (const LookupMode mode : {LookupMode::kPlain, LookupMode::kLock}) {
      std::array<Locked, 8> found{};
      std::array<std::uint32_t, 8> keys{};
      BatchCursor cursor;
      const BatchResult result = map.LookupBatch(cursor, std::as_writable_bytes(std::span(keys)),
                                                 std::as_writable_bytes(std::span(found)), mode);
      ASSERT_TRUE(result) << result.error().message();
      ASSERT_EQ(result.count, map.info().type == MapType::kHash ? 4U : 8U);
      for (std::uint32_t i = 0; i < 4; ++i) {
        EXPECT_EQ(found[i].lock, 0U);
        EXPECT_EQ(found[i].first, keys[i]);
      }
    }
  }
}

TYPED_TEST(HashSemanticsTest, BatchesOfValuesWithoutALockAreNotLocked) {
  for (const MapType type : {MapType::kHash, MapType::kArray, MapType::kLruHash, MapType::kPerCpuHash}) {
    Map map = this->CreateMap(type, 4, sizeof(Locked), 4);
    std::vector<std::byte> values(4 * map.info().element_size);
    std::array<std::uint32_t, 4> keys = {0, 1, 2, 3};
    const auto key_bytes = std::as_writable_bytes(std::span(keys));
    EXPECT_EQ(ErrnoOf(map.UpdateBatch(key_bytes, values, UpdateMode::kLock).status), EINVAL);
    ASSERT_TRUE(map.UpdateBatch(key_bytes, values));
    for (const bool takes : {false, true}) {
      BatchCursor cursor;
      const BatchResult result = takes ? map.LookupAndDeleteBatch(cursor, key_bytes, values, LookupMode::kLock)
                                       : map.LookupBatch(cursor, key_bytes, values, LookupMode::kLock);
      EXPECT_EQ(result.count, 0U);
      EXPECT_EQ(ErrnoOf(result.status), EINVAL) << static_cast<int>(type) << takes;
    }
  }
}

TYPED_TEST(HashSemanticsTest, ABatchTakesLockedValuesOutOfAHash) {
  this->Load({"update_locked_hash"});
  Map& map = this->MapOf("locked_hash");
  for (std::uint32_t key = 0; key < 4; ++key) ASSERT_TRUE(this->Put(map, key, {0, 5, key, key}, UpdateMode::kAny));
  std::array<std::uint32_t, 8> keys{};
  std::array<Locked, 8> found{};
  BatchCursor cursor;
  const BatchResult result = map.LookupAndDeleteBatch(cursor, std::as_writable_bytes(std::span(keys)),
                                                      std::as_writable_bytes(std::span(found)), LookupMode::kLock);
  ASSERT_TRUE(result) << result.error().message();
  ASSERT_EQ(result.count, 4U);
  for (std::uint32_t i = 0; i < 4; ++i) EXPECT_EQ(found[i].second, keys[i]);
  Locked left{};
  EXPECT_FALSE(*this->Get(map, 2, &left, LookupMode::kPlain));
}

using UserspaceLockTest = HashSemanticsTest<strata::testing::UserspaceKind>;
TEST_F(UserspaceLockTest, ARunThatIsCutOffDropsItsLock) {
  this->Load({"loop_under_lock"});
  EXPECT_EQ(this->Run("loop_under_lock"), 0U);
  Locked found{};
  EXPECT_TRUE(*this->Get(this->MapOf("locked_array"), 1, &found, LookupMode::kLock));
  EXPECT_GT(found.first, 0U);
}

TYPED_TEST(HashSemanticsTest, OnlySomeKindsHaveLocksInValues) {
  for (const MapType type : {MapType::kLruHash, MapType::kPerCpuHash, MapType::kPerCpuArray}) {
    CollectionSpec spec = LoadCollectionSpec(STRATA_BPF_HASH_SEMANTICS).value();
    spec.maps["locked_hash"].type = type;
    LoadOptions options;
    options.programs = {"look_up_16"};
    options.maps_to_keep = {"locked_hash"};
    options.unused_maps = UnusedMaps::kSkip;
    const auto loaded = LoadCollection(this->backend_, std::move(spec), options);
    EXPECT_EQ(ErrnoOf(loaded), EOPNOTSUPP) << static_cast<int>(type);
  }
}

// --- Freezing --------------------------------------------------------------------------------------------------------
// A mapping that a child has inherited is one, also when the parent has given its own up.
TYPED_TEST(HashSemanticsTest, IsNotFrozenWhileAnotherProcessMayWriteThroughAMapping) {
  Map map = this->CreateMap(MapType::kArray, 4, 8, 4, map_flags::kMmapable);
  auto memory = map.Memory().value();
  EXPECT_FALSE(memory->is_read_only());
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  memory.reset();
  EXPECT_EQ(ErrnoOf(map.Freeze()), EBUSY);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(ErrnoOf(map.Freeze()), 0);
  EXPECT_EQ(ErrnoOf(map.Freeze()), EPERM) << "what is frozen may not be changed, not even so";
  EXPECT_TRUE(map.Memory().value()->is_read_only());
}

TYPED_TEST(HashSemanticsTest, MapsWithLocksInValuesAreNotFrozen) {
  this->Load({"count_under_lock"});
  EXPECT_EQ(ErrnoOf(this->MapOf("locked_array").Freeze()), 524);  // ENOTSUPP, the kernel's own
}

// --- Walks -----------------------------------------------------------------------------------------------------------
TYPED_TEST(HashSemanticsTest, AWalkMayDeleteWhatItVisits) {
  this->Load({"delete_each"});
  auto map = HashMap<std::uint32_t, std::uint64_t>::From(this->MapOf("walked")).value();
  for (std::uint32_t key = 0; key < 300; ++key) ASSERT_TRUE(map.Update(key, key));
  EXPECT_EQ(this->Run("delete_each"), 300U);
  EXPECT_TRUE(map.Snapshot()->empty());
  for (std::uint32_t key = 1000; key < 1300; ++key) ASSERT_TRUE(map.Update(key, key));
  EXPECT_EQ(ErrnoOf(map.Update(5, 5)), E2BIG);
}

}  // namespace
}  // namespace strata
