#include "crash_participants.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <string>

#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"
#include "strata/backend/userspace/runtime/session_view.h"
#include "strata/strata.h"

namespace strata::soak {
namespace {

using Random = std::mt19937_64;

[[noreturn]] void GiveUp(Board& board, const char* what, const char* why) {
  Fail(board, "%s: %s", what, why);
  ::_exit(1);
}

template <typename T>
T Must(Board& board, const char* what, Result<T> result) {
  if (!result) GiveUp(board, what, result.error().message().c_str());
  return *std::move(result);
}

// What an agent has of a session.
class Agent {
 public:
  Agent(Board& board, const char* what) {
    runtime::Reason reason;
    folder_ = runtime::OpenSessionFolder(board.session, &reason);
    if (folder_ < 0 || runtime::OpenProcess(board.session, &process_, &reason) != 0) GiveUp(board, what, reason.text);
  }
  runtime::Process& process() const { return *process_; }
  int folder() const { return folder_; }

 private:
  runtime::Process* process_ = nullptr;
  int folder_ = -1;
};

crash_value ValueOf(std::uint64_t key) { return {{key, ~key, key * 3, key ^ 0x5555555555555555}}; }

// One change or walk of the hash from user space. Others change it too, so that any answer but a failure is right.
void UseHash(Board& board, HashMap<std::uint64_t, crash_value>& hash, Random& random) {
  const std::uint64_t key = random() % CRASH_KEYS;
  Result<void> done;
  switch (random() % 4) {
    case 0:
      done = hash.Update(key, ValueOf(key));
      break;
    case 1:
      if (auto erased = hash.Delete(key); !erased) done = erased.error();
      break;
    case 2:
      if (auto found = hash.Lookup(key); !found) done = found.error();
      break;
    default:
      done = hash.ForEach([](std::uint64_t, const crash_value&) {});
  }
  // Full, or in the hands of a process that is stopped.
  if (done || done.error().code() == ErrorCode::kNoSpace || done.error().code() == ErrorCode::kBusy) return;
  if (done.error().sys_errno() == E2BIG) return;
  GiveUp(board, "the loader's hash", done.error().message().c_str());
}

// Whether the run did what it was asked for.
bool RunOnce(const runtime::ProgramInstance& program, const crash_work& work) {
  crash_work context = work;
  runtime::RunContext run;
  run.context = &context;
  const std::uint64_t result = runtime::RunProgram(program, run);
  return (run.flags & runtime::run_flags::kMissed) == 0 && static_cast<std::int32_t>(result) == 0;
}

// Records of one producer come in the order of their numbers and without a gap, the last one perhaps twice.
void CheckRecord(Board& board, const crash_record& record) {
  if (record.producer >= kMostTraced || record.check != ~record.producer) {
    return Fail(board, "a record of producer %u with check %#x", record.producer, record.check);
  }
  std::atomic<std::uint64_t>& last = board.traced[record.producer].last_seen;
  if (record.seq != last + 1 && record.seq != last) {
    return Fail(board, "record %llu of producer %u after record %llu", static_cast<unsigned long long>(record.seq),
                record.producer, static_cast<unsigned long long>(last.load()));
  }
  last = record.seq;
}

}  // namespace

void Fail(Board& board, const char* format, ...) {
  if (board.has_failed.exchange(1) != 0) return;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(board.failure, sizeof(board.failure), format, arguments);
  va_end(arguments);
}

void RunLoader(Board& board, const char* runtime_folder) {
  auto backend =
      Must(board, "opening the session",
           OpenBackend("userspace", {.session = "crash", .runtime_folder = runtime_folder, .agent_path = {}}));
  auto objects = Must(board, "loading", LoadCollection(backend, std::string(STRATA_BPF_CRASH)));
  for (std::size_t i = 0; i < kCrashMapCount; ++i) {
    board.map_ids[i] = Must(board, kCrashMapNames[i], objects.FindMap(kCrashMapNames[i]))->info().id;
  }
  board.program_id = Must(board, "work", objects.FindProgram("work"))->info().id;
  std::snprintf(board.session, sizeof(board.session), "%s/crash", runtime_folder);
  board.is_loaded = 1;
  auto hash = Must(board, "hash", objects.FindMap<HashMap<std::uint64_t, crash_value>>("hash"));
  Random random(board.seed);
  while (true) {
    UseHash(board, hash, random);
    ++board.loader_progress;
  }
}

void RunTraced(Board& board, std::uint32_t index) {
  const Agent agent(board, "a traced process");
  runtime::ProgramInstance* program = nullptr;
  runtime::Reason reason;
  if (runtime::InstantiateProgram(agent.process(), agent.folder(), board.program_id, &program, &reason) != 0)
    GiveUp(board, "a traced process", reason.text);
  TracedState& state = board.traced[index];
  Random random(board.seed + index);
  while (true) {
    const auto action = static_cast<std::uint32_t>(random() % CRASH_ACTIONS);
    const crash_work work{random() % CRASH_KEYS, state.committed + 1, index, action};
    const bool done = RunOnce(*program, work);
    if (done && (action == CRASH_OUTPUT || action == CRASH_SUBMIT)) state.committed = work.seq;
    if (done && action == CRASH_COUNT) ++state.counted;
    ++state.progress;
  }
}

void ReadRing(Board& board, runtime::MapView& ring) {
  while (runtime::HasData(ring) && !runtime::IsNextRecordBusy(ring) && board.has_failed == 0) {
    const std::uint64_t position = *runtime::ConsumerPosition(ring);
    const std::byte* at = runtime::RingData(ring) + (position & (ring.max_entries - 1));
    const std::uint32_t word =
        __atomic_load_n(&reinterpret_cast<const runtime::RecordHeader*>(at)->length, __ATOMIC_ACQUIRE);
    const std::uint32_t length = word & ~(runtime::kRecordBusy | runtime::kRecordDiscarded);
    if ((word & runtime::kRecordDiscarded) == 0) {
      if (length != sizeof(crash_record)) return Fail(board, "a record of %u bytes", length);
      CheckRecord(board, *reinterpret_cast<const crash_record*>(at + runtime::kRecordHeaderSize));
    }
    const std::uint64_t step = (length + runtime::kRecordHeaderSize + 7) / 8 * 8;
    __atomic_store_n(runtime::ConsumerPosition(ring), position + step, __ATOMIC_RELEASE);
    ++board.reader_progress;
  }
}

void RunReader(Board& board) {
  const Agent agent(board, "the reader");
  runtime::MapView* ring = nullptr;
  runtime::Reason reason;
  if (runtime::OpenMapById(agent.process(), agent.folder(), board.map_ids[kRing], &ring, &reason) != 0)
    GiveUp(board, "the reader", reason.text);
  while (true) {
    ReadRing(board, *ring);
    ++board.reader_progress;
  }
}

}  // namespace strata::soak
