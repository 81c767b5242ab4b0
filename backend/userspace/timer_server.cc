#include "timer_server.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <system_error>

#include "strata/backend/userspace/runtime/sys.h"

namespace strata::userspace {
namespace {

namespace sys = runtime::sys;

// Between two attempts of a callback for which no per-CPU slot was free.
constexpr std::uint64_t kRetryNs = 1'000'000;

// Signals of the program are for its own threads. Faults are whose they are.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) ::sigdelset(&all, fault);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

void Sleep(const runtime::MapView& map, std::uint32_t seen, std::uint64_t nanoseconds) {
  const sys::Timespec timeout{static_cast<std::int64_t>(nanoseconds / 1'000'000'000),
                              static_cast<std::int64_t>(nanoseconds % 1'000'000'000)};
  sys::FutexWait(&runtime::TimersOf(map).wake_word, seen, nanoseconds == runtime::kNever ? nullptr : &timeout);
}

std::uint64_t AddressOf(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

}  // namespace

Result<std::unique_ptr<TimerServer>> TimerServer::Start(Session& session, std::shared_mutex& runs,
                                                        runtime::MapView& map) {
  std::unique_ptr<TimerServer> server(new TimerServer(session, runs, map));
  const SignalsBlocked blocked;
  try {
    server->thread_.Start([raw = server.get()] { raw->Serve(); });
  } catch (const std::system_error& error) {
    return Error::FromErrno(error.code().value(), "the thread of its timers");
  }
  // Timers are refused until the thread has said that it serves.
  std::uint32_t seen = 0;
  while (__atomic_load_n(&runtime::TimersOf(map).server, __ATOMIC_ACQUIRE) == 0) {
    const std::uint64_t kMillisecond = 1'000'000;
    Sleep(map, seen, kMillisecond);
    seen = __atomic_load_n(&runtime::TimersOf(map).wake_word, __ATOMIC_ACQUIRE);
  }
  return server;
}

TimerServer::~TimerServer() {
  thread_.Stop([this] {
    is_stopping_.store(true);
    std::uint32_t& word = runtime::TimersOf(map_).wake_word;
    __atomic_fetch_add(&word, 1U, __ATOMIC_SEQ_CST);
    sys::FutexWake(&word, 1);
  });
  const std::lock_guard lock(session_.mutex());
  for (const auto& [id, program] : programs_) {
    if (program != nullptr) runtime::ReleaseProgram(program);
  }
}

void TimerServer::Serve() {
  runtime::BeginServing(map_);
  std::uint32_t next = 0;
  while (!is_stopping_.load()) {
    const std::uint32_t seen = __atomic_load_n(&runtime::TimersOf(map_).wake_word, __ATOMIC_SEQ_CST);
    runtime::DueTimer due;
    std::uint64_t wait_ns = 0;
    if (runtime::TakeDueTimer(map_, next, &due, &wait_ns)) {
      next = due.entry + 1;
      RunCallback(due);
    } else if (!is_stopping_.load()) {
      Sleep(map_, seen, wait_ns);
    }
  }
  runtime::EndServing(map_);
}

// True when it ran, or cannot.
bool TimerServer::TryCallback(const runtime::DueTimer& due) {
  const runtime::ProgramInstance* program = Find(due.program_id);
  const std::shared_lock running(runs_);
  runtime::RunContext run;
  if (program != nullptr && due.function < program->function_count) {
    const void* key = due.key != nullptr ? due.key : &due.index;
    runtime::RunFunction(*program, due.function, AddressOf(&map_), AddressOf(key), AddressOf(due.value), run);
  }
  const bool is_missed = (run.flags & runtime::run_flags::kMissed) != 0;
  if (is_missed) runtime::RetryTimer(map_, due);
  runtime::FinishTimer(map_, due);
  return !is_missed;
}

void TimerServer::RunCallback(const runtime::DueTimer& due) {
  if (!TryCallback(due)) Sleep(map_, __atomic_load_n(&runtime::TimersOf(map_).wake_word, __ATOMIC_ACQUIRE), kRetryNs);
}

bool TimerServer::MayServe(const runtime::ProgramInstance& program) const {
  if ((program.flags & runtime::program_flags::kSetsTimers) == 0) return false;
  return std::find(program.maps, program.maps + program.map_count, &map_) != program.maps + program.map_count;
}

const runtime::ProgramInstance* TimerServer::Find(std::uint32_t program_id) {
  if (const auto known = programs_.find(program_id); known != programs_.end()) return known->second;
  runtime::ProgramInstance* program = nullptr;
  runtime::Reason reason;
  const std::lock_guard lock(session_.mutex());
  if (runtime::InstantiateProgram(session_.process(), session_.folder_fd(), program_id, &program, &reason) != 0) {
    return nullptr;
  }
  if (!MayServe(*program)) {
    runtime::ReleaseProgram(program);
    return nullptr;
  }
  return programs_.emplace(program_id, program).first->second;
}

}  // namespace strata::userspace
