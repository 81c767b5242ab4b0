// Programs that run when a counter of the CPU or the kernel has counted so far.
#pragma once

#include <cstdint>
#include <variant>

#include "strata/link/link.h"

namespace strata {

// The kernel's own counters (PERF_TYPE_SOFTWARE).
enum class SoftwareEvent : std::uint64_t {
  kCpuClock = 0,
  kTaskClock = 1,
  kPageFaults = 2,
  kContextSwitches = 3,
  kCpuMigrations = 4,
  kMinorPageFaults = 5,
  kMajorPageFaults = 6,
  kAlignmentFaults = 7,
  kEmulationFaults = 8,
};

// The CPU's (PERF_TYPE_HARDWARE).
enum class HardwareEvent : std::uint64_t {
  kCpuCycles = 0,
  kInstructions = 1,
  kCacheReferences = 2,
  kCacheMisses = 3,
  kBranchInstructions = 4,
  kBranchMisses = 5,
  kBusCycles = 6,
  kStalledCyclesFrontend = 7,
  kStalledCyclesBackend = 8,
  kReferenceCpuCycles = 9,
};

// PERF_TYPE_HW_CACHE.
struct CacheEvent {
  enum class Cache : std::uint8_t { kL1Data, kL1Instruction, kLastLevel, kDataTlb, kInstructionTlb, kBranch, kNode };
  enum class Operation : std::uint8_t { kRead, kWrite, kPrefetch };
  enum class Outcome : std::uint8_t { kAccess, kMiss };
  Cache cache = Cache::kL1Data;
  Operation operation = Operation::kRead;
  Outcome outcome = Outcome::kAccess;
};

// An access to an address of the thread that the options name, or of the kernel (PERF_TYPE_BREAKPOINT).
struct BreakpointEvent {
  enum class Access : std::uint8_t { kRead = 1, kWrite = 2, kReadOrWrite = 3, kExecute = 4 };
  std::uint64_t address = 0;
  Access access = Access::kWrite;
  std::uint64_t size_bytes = 8;  // 1, 2, 4 or 8; for kExecute sizeof(long)
};

// Whatever else perf_event_open(2) knows, in its terms: the CPU's own events (type 4), those of other sources.
struct RawEvent {
  std::uint32_t type = 4;
  std::uint64_t config = 0;
  std::uint64_t config1 = 0;
  std::uint64_t config2 = 0;
};

using PerfEventSpec = std::variant<SoftwareEvent, HardwareEvent, CacheEvent, BreakpointEvent, RawEvent>;

// The program runs each time that so many events were counted (nanoseconds, for a clock) ...
struct SamplePeriod {
  std::uint64_t events = 1;
};
// ... or about so many times a second.
struct SampleFrequency {
  std::uint64_t hertz = 99;
};

struct PerfEventOptions {
  std::variant<SamplePeriod, SampleFrequency> sampling = SamplePeriod{};
  // One thread, by its id (a process's id is that of its first thread), or all.
  std::int32_t tid = kAllProcesses;
  // One CPU. -1: all that are online, for a thread wherever it runs.
  std::int32_t cpu = -1;
  std::uint64_t cookie = 0;  // what bpf_get_attach_cookie returns (Linux 5.15)
};

// Made by AttachPerfEvent.
class [[nodiscard]] STRATA_EXPORT PerfEventLink : public Link {
 public:
  explicit PerfEventLink(Link link) : Link(std::move(link)) {}
};

// For programs of section perf_event, which get struct bpf_perf_event_data (Linux 4.9). kNotSupported where no counter
// of this machine counts the event.
STRATA_EXPORT Result<PerfEventLink> AttachPerfEvent(const Program& program, const PerfEventSpec& event,
                                                    const PerfEventOptions& options = {});

}  // namespace strata
