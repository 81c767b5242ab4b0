// One wait for many sources of events.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "strata/object/deadline.h"
#include "strata/object/perf_reader.h"
#include "strata/object/ring_reader.h"

namespace strata {

struct EventPollerOptions {
  // Records that one reader may hand over before the next one has its turn.
  std::uint64_t records_per_turn = 4096;
};

// Ring buffers, perf event arrays and descriptors of the caller's behind one descriptor. Move-only. One thread at a
// time, and not from within its own callbacks, but for Wake.
class STRATA_EXPORT EventPoller {
 public:
  // Fails where the poller shall stop: Poll and Consume return its error.
  using OnReady = std::function<Result<void>()>;

  static Result<EventPoller> Make(const EventPollerOptions& options = {});
  EventPoller(EventPoller&&) noexcept;
  EventPoller& operator=(EventPoller&&) noexcept;
  ~EventPoller();

  // Readers must live, at the same place, until they are removed or the poller goes; so must descriptors. A callback
  // that returns false ends its reader's turn. kInvalidArgument for what is watched already.
  Result<void> Add(RingReader& reader, RingReader::OnRecord on_record);
  Result<void> Add(PerfReader& reader, PerfReader::OnSample on_sample);
  // Calls `on_ready` each time that the descriptor is found readable.
  Result<void> Add(int descriptor, OnReady on_ready);
  // By what poll_descriptor() of the reader, or the descriptor, is. kNotFound for what is not watched.
  Result<void> Remove(int descriptor);

  // Hands over what is there, one turn for each source; does not wait. Returns how many records, samples and readable
  // descriptors.
  Result<std::uint64_t> Consume();
  // Waits until there is something, then consumes. 0 at the deadline, after Wake, and after a signal was handled.
  Result<std::uint64_t> Poll(const Deadline& deadline);
  // Ends the Poll that is going on, or the next one. From any thread or signal handler.
  void Wake() const noexcept;

  // For an outer loop: readable while a source is. Belongs to the poller.
  int poll_descriptor() const;

 private:
  struct State;
  explicit EventPoller(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace strata
