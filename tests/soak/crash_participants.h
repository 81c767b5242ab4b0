// The processes of a round of crash_soak.cc: a loader, processes that run its program as an agent does, a reader of its
// ring. Each is a child that ends when it is killed. What must outlive them is on a board in shared memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "crash_work.h"
#include "strata/backend/userspace/runtime/map_view.h"

namespace strata::soak {

// The maps of crash.bpf.c, by name.
enum CrashMap : std::uint8_t { kHash, kPerCpuHash, kLruHash, kTrie, kQueue, kCounts, kRing, kCrashMapCount };
inline constexpr const char* kCrashMapNames[kCrashMapCount] = {"hash",  "percpu_hash", "lru_hash", "trie",
                                                               "queue", "counts",      "ring"};

inline constexpr std::size_t kMostTraced = 64;  // of a round: those that were killed and their successors

// One per process that runs the program.
struct TracedState {
  std::atomic<std::uint64_t> progress;
  std::atomic<std::uint64_t> committed;  // the last record whose output returned 0
  std::atomic<std::uint64_t> counted;    // runs that counted and returned
  std::atomic<std::uint64_t> last_seen;  // by the readers
};

// Zeroed for each round. What is written by one process alone is read by others after it ended.
struct Board {
  char session[256];  // its folder
  std::uint64_t seed;
  std::atomic<std::uint32_t> is_loaded;
  std::uint32_t program_id;
  std::uint32_t map_ids[kCrashMapCount];
  std::atomic<std::uint64_t> loader_progress;
  std::atomic<std::uint64_t> reader_progress;
  TracedState traced[kMostTraced];
  std::atomic<std::uint32_t> has_failed;
  char failure[512];
};

// Notes the first failure of the round.
[[gnu::format(printf, 2, 3)]] void Fail(Board& board, const char* format, ...);

// Never return; end the process with status 1 after a failure.
[[noreturn]] void RunLoader(Board& board, const char* runtime_folder);
[[noreturn]] void RunTraced(Board& board, std::uint32_t index);
[[noreturn]] void RunReader(Board& board);

// Takes what is in the ring, in order; a second reader may see the last record of the first once more.
void ReadRing(Board& board, runtime::MapView& ring);

}  // namespace strata::soak
