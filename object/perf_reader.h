// Reads samples from perf event arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "strata/object/deadline.h"
#include "strata/object/map.h"

namespace strata {

struct PerfReaderOptions {
  std::size_t size_bytes = std::size_t{64} * 4096;  // per CPU; rounded up to a power of two of pages
  // Poll, and the descriptors, tell of data once so many samples came on a CPU; or once so many bytes came, when
  // watermark_bytes is set. Consume reads what there is.
  std::uint32_t wakeup_samples = 1;
  std::uint32_t watermark_bytes = 0;
  // A flight recorder: when a buffer is full, the newest samples replace the oldest, and nothing counts as lost.
  // Consume pauses each buffer while it reads, and hands over what came since the last time, oldest first, without
  // regard to a limit; where the callback says stop, the rest of that CPU is gone.
  bool overwritable = false;
  // CPUs by their number; empty for all that are online now. One that goes offline meanwhile is left out. CPUs that
  // come later are not read.
  std::vector<std::uint32_t> cpus = {};
  // Called by Consume and Poll between samples, where the kernel says that so many found no room on that CPU.
  std::function<void(std::uint32_t cpu, std::uint64_t count)> on_lost = {};
};

// The consumer of one BPF_MAP_TYPE_PERF_EVENT_ARRAY, with a buffer for each CPU: programs that send to
// BPF_F_CURRENT_CPU reach it as soon as it is open. CPUs are named by their numbers everywhere, which may have holes.
// Move-only. One thread at a time, and not from within its own callbacks, but for Wake. On the userspace backend CPUs
// are the slots of the session (docs/differences.md).
class STRATA_EXPORT PerfReader {
 public:
  // The bytes of one sample, valid until the callback returns. The kernel pads them: their count is 4 more than a
  // multiple of 8. Return false to stop after this sample.
  using OnSample = std::function<bool(std::uint32_t cpu, std::span<const std::byte> sample)>;
  static constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

  // kInvalidArgument when the map is no perf event array or has no slot for a CPU of the options; kNotFound when none
  // of the CPUs is online; kBusy on the userspace backend while another reads one of them.
  static Result<PerfReader> Open(const Map& map, PerfReaderOptions options = {});
  PerfReader(PerfReader&&) noexcept;
  PerfReader& operator=(PerfReader&&) noexcept;
  ~PerfReader();

  // Hands over the samples that are there now, CPU by CPU and in order on each, at most `limit`; does not wait. Returns
  // how many. kMalformed for records that cannot be.
  Result<std::uint64_t> Consume(const OnSample& on_sample, std::uint64_t limit = kNoLimit);
  // Of one CPU. kNotFound for one that is not read.
  Result<std::uint64_t> ConsumeCpu(std::uint32_t cpu, const OnSample& on_sample, std::uint64_t limit = kNoLimit);

  // Waits until there are samples, then consumes. 0 at the deadline, after Wake, and after a signal was handled.
  Result<std::uint64_t> Poll(const Deadline& deadline, const OnSample& on_sample, std::uint64_t limit = kNoLimit);
  // Ends the Poll that is going on, or the next one. From any thread or signal handler.
  void Wake() const noexcept;

  // While paused, what programs send to that CPU's buffer is lost, and counted once it is resumed. kNotFound for a CPU
  // that is not read.
  Result<void> Pause(std::uint32_t cpu);
  Result<void> Resume(std::uint32_t cpu);
  Result<void> PauseAll();
  Result<void> ResumeAll();

  // The CPUs read, ascending.
  std::vector<std::uint32_t> cpus() const;
  // For poll, epoll or any event loop; readable once after data came, so consume all then. Of all CPUs and of one;
  // they belong to the reader.
  int poll_descriptor() const;
  Result<int> PollDescriptor(std::uint32_t cpu) const;

  // Samples that found no room, as far as the kernel has told in the buffers. Of all CPUs, and of one (0 for one that
  // is not read).
  std::uint64_t lost() const;
  std::uint64_t lost(std::uint32_t cpu) const;

 private:
  struct State;
  explicit PerfReader(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace strata
