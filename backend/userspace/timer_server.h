// The thread that runs the timers of one map, in the process that made it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <shared_mutex>

#include "owned_thread.h"
#include "registry.h"
#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/timers.h"
#include "strata/base/result.h"

namespace strata::userspace {

// Serves until it is destroyed, which frees all timers; a callback that runs is waited for. All arguments must outlive
// it. `runs` is held, shared, while a callback runs.
class TimerServer {
 public:
  static Result<std::unique_ptr<TimerServer>> Start(Session& session, std::shared_mutex& runs, runtime::MapView& map);
  ~TimerServer();
  TimerServer(const TimerServer&) = delete;
  TimerServer& operator=(const TimerServer&) = delete;

 private:
  TimerServer(Session& session, std::shared_mutex& runs, runtime::MapView& map)
      : session_(session), runs_(runs), map_(map) {}
  void Serve();
  bool TryCallback(const runtime::DueTimer& due);
  void RunCallback(const runtime::DueTimer& due);
  // Null for a program that is gone or that has no business with this map: what a timer says comes from shared memory.
  const runtime::ProgramInstance* Find(std::uint32_t program_id);
  bool MayServe(const runtime::ProgramInstance& program) const;

  Session& session_;
  std::shared_mutex& runs_;
  runtime::MapView& map_;
  std::map<std::uint32_t, runtime::ProgramInstance*> programs_;  // the thread's, until it has ended
  std::atomic<bool> is_stopping_{false};
  OwnedThread thread_;
};

}  // namespace strata::userspace
