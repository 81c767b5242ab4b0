// Death at every instruction: a child is stepped through an operation, and what it would leave is looked at.
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "session_fixture.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kKeys = 12;
constexpr std::uint64_t kOther = 1000;  // keys that only the check uses

struct Crash {
  const char* name;
  MapType type;
  std::uint32_t max_entries;
  std::uint64_t present;  // keys 0 .. present - 1 are there before
  void (*operation)(MapView& map);
};

long Put(MapView& map, std::uint64_t key) {
  std::uint64_t values[kTestSlots];
  for (std::uint64_t& value : values) value = key + 1;
  return map.ops->copy_in(map, &key, values, 0);
}

long Remove(MapView& map, std::uint64_t key) { return map.ops->erase(map, &key); }

std::map<std::uint64_t, std::uint64_t> Content(MapView& map) {
  std::map<std::uint64_t, std::uint64_t> content;
  std::uint64_t key = 0;
  for (long error = map.ops->next_key(map, nullptr, &key); error == 0; error = map.ops->next_key(map, &key, &key)) {
    std::uint64_t values[kTestSlots] = {};
    if (map.ops->copy_out(map, &key, values, 0) != 0) continue;
    EXPECT_TRUE(content.emplace(key, values[0]).second) << "twice: " << key;
  }
  return content;
}

constexpr Crash kCrashes[] = {
    {"Insert", MapType::kHash, kKeys + 2, kKeys, [](MapView& map) { Put(map, 50); }},
    {"InsertThroughAStolenSpare", MapType::kHash, kKeys, kKeys,
     [](MapView& map) {
       Remove(map, 3);
       Put(map, 50);
       Remove(map, 5);
       Put(map, 51);
     }},
    {"Update", MapType::kHash, kKeys, kKeys, [](MapView& map) { Put(map, 3); }},
    {"Delete", MapType::kHash, kKeys, kKeys,
     [](MapView& map) {
       for (std::uint64_t key = 0; key < 4; ++key) Remove(map, key);
     }},
    {"DeleteAllOfOneBucket", MapType::kHash, 1, 1, [](MapView& map) { Remove(map, 0); }},
    {"ReplaceInAPerCpuHash", MapType::kPerCpuHash, kKeys, kKeys,
     [](MapView& map) {
       Remove(map, 7);
       Put(map, 52);
     }},
    {"Evict", MapType::kLruHash, kKeys, kKeys,
     [](MapView& map) {
       Put(map, 53);
       Put(map, 54);
     }},
    {"EvictFromTheOwnBucket", MapType::kLruPerCpuHash, 1, 1, [](MapView& map) { Put(map, 55); }},
};

class HashCrashTest : public RuntimeTest, public ::testing::WithParamInterface<Crash> {
 protected:
  // A thread that runs the operation, stopped in front of it.
  static pid_t StartOperation(MapView& map) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      __asm__ volatile("int3");
      GetParam().operation(map);
      ::_exit(0);
    }
    return child;
  }

  static bool Step(pid_t child) {
    int status = 0;
    EXPECT_EQ(::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr), 0);
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFSTOPPED(status);
  }

  static pid_t DeadProcess() {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ::waitpid(child, nullptr, 0);
    return child;
  }

  OwnerWord OwnerOf(pid_t pid) {
    const auto id = static_cast<OwnerWord>(pid);
    return (CurrentOwner(process()) >> 44 << 44) | id << 22 | id;
  }

  static std::vector<OwnerWord> Memory(const MapView& map) {
    std::vector<OwnerWord> words((map.geometry.file_size - kPageSize) / sizeof(OwnerWord));
    std::memcpy(words.data(), map.mapping, words.size() * sizeof(OwnerWord));
    return words;
  }

  // Another map that holds the same, of a thread that is dead.
  MapView& CopyAsOf(MapView& map, std::vector<OwnerWord> words, OwnerWord from, OwnerWord to) {
    std::replace(words.begin(), words.end(), from, to);
    MapView& copy = MakeMap(map.type, 8, 8, map.max_entries);
    std::memcpy(copy.mapping, words.data(), words.size() * sizeof(OwnerWord));
    std::memcpy(copy.header->kind_state, map.header->kind_state, sizeof(map.header->kind_state));
    return copy;
  }

  // What the operation did not name is as it was.
  static void CheckContent(MapView& map) {
    const bool may_evict = map.type == MapType::kLruHash || map.type == MapType::kLruPerCpuHash;
    const auto content = Content(map);
    for (const auto& [key, value] : content) EXPECT_EQ(value, key + 1);
    std::uint64_t missing = 0;
    for (std::uint64_t key = 8; key < GetParam().present; ++key) missing += content.contains(key) ? 0 : 1;
    EXPECT_LE(missing, may_evict ? 2U : 0U);
  }

  // Emptied and filled to the brim: nothing is locked, nothing is lost, nothing is there twice.
  static void CheckCapacity(MapView& map) {
    for (const auto& [key, value] : Content(map)) ASSERT_EQ(Remove(map, key), 0) << key;
    for (std::uint64_t i = 0; i < GetParam().max_entries; ++i) ASSERT_EQ(Put(map, kOther + i), 0) << i;
    ASSERT_EQ(Content(map).size(), GetParam().max_entries);
  }
};

// Instruction by instruction: whenever one has changed the map, what its thread's death at that moment would leave.
TEST_P(HashCrashTest, LosesNothingWhicheverStoreIsTheLast) {
  MapView& map = MakeMap(GetParam().type, 8, 8, GetParam().max_entries);
  for (std::uint64_t key = 0; key < GetParam().present; ++key) ASSERT_EQ(Put(map, key), 0);
  const OwnerWord dead = OwnerOf(DeadProcess());
  const pid_t child = StartOperation(map);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  std::vector<OwnerWord> before = Memory(map);
  int changes = 0;
  for (std::uint64_t steps = 0; Step(child) && !HasFailure(); ++steps) {
    std::vector<OwnerWord> now = Memory(map);
    if (now == before) continue;
    SCOPED_TRACE("after instruction " + std::to_string(steps));
    MapView& copy = CopyAsOf(map, now, OwnerOf(child), dead);
    CheckContent(copy);
    CheckCapacity(copy);
    ReleaseMap(&copy);
    before = std::move(now);
    ++changes;
  }
  EXPECT_GE(changes, 2) << "a lock taken and dropped";
}

INSTANTIATE_TEST_SUITE_P(Hash, HashCrashTest, ::testing::ValuesIn(kCrashes),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace strata::runtime
