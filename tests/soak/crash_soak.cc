// Processes that load, run and read programs are killed and stopped at random moments: strata_soak_crash [--rounds N]
// [--seed S]. In each round
//   - whoever is neither killed nor stopped goes on,
//   - no record is lost whose output has returned, none is seen half-made, twice (but for the one that a dead reader
//     was at) or out of order,
//   - counts in per-CPU values are exact, but for runs that were killed,
//   - in the end the maps hold what their keys say and take as many elements as they should, and the session is gone.
// Exit status 1 for a failure, with the round's seed.
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "crash_participants.h"
#include "soak_options.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"
#include "strata/backend/userspace/runtime/session_view.h"
#include "strata/backend/userspace/userspace_backend.h"

namespace strata::soak {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kTracedAtATime = 3;
constexpr int kEventsPerRound = 5;
constexpr std::chrono::seconds kHung{60};  // no machine is that slow

// The longest wait for progress: whose, and when.
double longest_wait_ms = 0;
std::string longest_wait;

// A child that runs `role`; killed when this goes.
class Child {
 public:
  Child(std::string name, const std::atomic<std::uint64_t>& progress, const std::function<void()>& role)
      : name_(std::move(name)), progress_(&progress) {
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    role();
  }
  ~Child() { Kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  void Stop() {
    ::kill(pid_, SIGSTOP);
    is_stopped_ = true;
  }
  void Continue() {
    ::kill(pid_, SIGCONT);
    is_stopped_ = false;
  }
  bool is_running() const { return pid_ > 0 && !is_stopped_; }
  std::uint64_t progress() const { return *progress_; }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  const std::atomic<std::uint64_t>* progress_;
  pid_t pid_ = -1;
  bool is_stopped_ = false;
};

class Round {
 public:
  Round(Board& board, std::uint64_t seed, std::string runtime_folder)
      : board_(board), random_(seed), runtime_folder_(std::move(runtime_folder)) {
    new (&board_) Board{};
    board_.seed = seed;
  }

  void Run() {
    loader_ = std::make_unique<Child>("the loader", board_.loader_progress,
                                      [this] { RunLoader(board_, runtime_folder_.c_str()); });
    if (!WaitUntil([this] { return board_.is_loaded != 0; }, "the loader loads")) return;
    if (!OpenMaps()) return;
    while (traced_.size() < kTracedAtATime) StartTraced();
    StartReader();
    WaitForProgress("at the start");
    for (int event = 0; event < kEventsPerRound && board_.has_failed == 0; ++event) {
      ::usleep(static_cast<useconds_t>(random_() % 4000));
      DisturbOne();
    }
    KillAll();
    CheckWhatIsLeft();
    Close();
  }

 private:
  void StartTraced() {
    if (next_traced_ == kMostTraced) return;
    const std::uint32_t index = next_traced_++;
    traced_.push_back(std::make_unique<Child>("traced process " + std::to_string(index), board_.traced[index].progress,
                                              [this, index] { RunTraced(board_, index); }));
  }
  void StartReader() {
    reader_ = std::make_unique<Child>("the reader", board_.reader_progress, [this] { RunReader(board_); });
  }

  std::vector<Child*> Running() {
    std::vector<Child*> running;
    for (const auto& child : traced_) running.push_back(child.get());
    if (reader_) running.push_back(reader_.get());
    if (loader_) running.push_back(loader_.get());
    std::erase_if(running, [](const Child* child) { return !child->is_running(); });
    return running;
  }

  // Kills one of them, or stops it, looks at the others, and lets it go on or kills it.
  void DisturbOne() {
    std::vector<Child*> running = Running();
    Child& victim = *running[random_() % running.size()];
    if (random_() % 2 == 0) {
      victim.Stop();
      WaitForProgress("while " + victim.name() + " was stopped");
      if (random_() % 2 == 0) return victim.Continue();
    }
    victim.Kill();
    WaitForProgress("after " + victim.name() + " was killed");
    Replace(victim);
  }

  // A session whose loader is dead may be collected: nobody new can come then.
  void Replace(const Child& dead) {
    if (loader_.get() == &dead) {
      loader_.reset();
    } else if (reader_.get() == &dead) {
      reader_.reset();
      if (loader_) StartReader();
    } else {
      std::erase_if(traced_, [&](const auto& child) { return child.get() == &dead; });
      if (loader_) StartTraced();
    }
  }

  bool WaitUntil(const std::function<bool()>& is_done, const std::string& what) {
    const auto start = Clock::now();
    while (!is_done()) {
      if (board_.has_failed != 0) return false;
      if (Clock::now() - start > kHung) {
        Fail(board_, "%s: not within %lld s", what.c_str(), static_cast<long long>(kHung.count()));
        return false;
      }
      ::usleep(100);
    }
    const double waited_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    if (waited_ms <= longest_wait_ms) return true;
    longest_wait_ms = waited_ms;
    longest_wait = what;
    return true;
  }

  void WaitForProgress(const std::string& when) {
    for (Child* child : Running()) {
      const std::uint64_t before = child->progress();
      WaitUntil([&] { return child->progress() != before; }, child->name() + ": progress " + when);
    }
  }

  bool OpenMaps() {
    runtime::Reason reason;
    const int folder = runtime::OpenSessionFolder(board_.session, &reason);
    bool is_open = folder >= 0 && runtime::OpenProcess(board_.session, &process_, &reason) == 0;
    for (std::size_t i = 0; i < kCrashMapCount; ++i) {
      is_open = is_open && runtime::OpenMapById(*process_, folder, board_.map_ids[i], &maps_[i], &reason) == 0;
    }
    if (folder >= 0) ::close(folder);
    if (!is_open) Fail(board_, "opening the maps: %s", reason.text);
    return is_open;
  }

  void KillAll() {
    traced_.clear();
    reader_.reset();
    loader_.reset();
  }

  void CheckWhatIsLeft() {
    if (board_.has_failed != 0) return;
    CheckRecords();
    CheckCounts();
    for (const CrashMap map : {kHash, kPerCpuHash, kLruHash, kTrie}) {
      CheckValues(*maps_[map]);
      CheckRoom(*maps_[map]);
    }
    CheckQueue(*maps_[kQueue]);
  }

  // The rest of the ring; records of the dead that are not committed are passed over.
  void CheckRecords() {
    ReadRing(board_, *maps_[kRing]);
    if (board_.has_failed == 0 && runtime::HasData(*maps_[kRing]))
      Fail(board_, "the ring ends in a record that nobody writes");
    for (std::uint32_t i = 0; i < next_traced_; ++i) {
      const TracedState& state = board_.traced[i];
      if (state.last_seen >= state.committed) continue;
      Fail(board_, "producer %u: record %llu is lost, the last one read is %llu", i,
           static_cast<unsigned long long>(state.committed), static_cast<unsigned long long>(state.last_seen));
    }
  }

  // A run that was killed may have counted.
  void CheckCounts() {
    runtime::MapView& map = *maps_[kCounts];
    std::vector<std::uint64_t> values(map.slot_count);
    const std::uint32_t zero = 0;
    map.ops->copy_out(map, &zero, values.data(), 0);
    std::uint64_t sum = 0;
    for (const std::uint64_t value : values) sum += value;
    std::uint64_t counted = 0;
    for (std::uint32_t i = 0; i < next_traced_; ++i) counted += board_.traced[i].counted;
    if (sum >= counted && sum <= counted + next_traced_) return;
    Fail(board_, "%llu runs counted, the map has %llu", static_cast<unsigned long long>(counted),
         static_cast<unsigned long long>(sum));
  }

  // Empties the map; each value is what its key says.
  void CheckValues(runtime::MapView& map) {
    std::uint64_t key = 0;
    std::vector<crash_value> value(std::max<std::size_t>(1, map.slot_count));
    while (map.ops->next_key(map, nullptr, &key) == 0) {
      if (map.ops->copy_out(map, &key, value.data(), 0) != 0)
        return Fail(board_, "map %s: a key without a value", map.header->name);
      const std::uint64_t number = NumberOf(map, key);
      for (const crash_value& one : value) {
        if (map.type == MapType::kPerCpuHash ? BelongsInPart(one, number) : BelongsTo(one, number)) continue;
        return Fail(board_, "map %s: key %llu has the value %#llx %#llx %#llx %#llx", map.header->name,
                    static_cast<unsigned long long>(number), one.words[0], one.words[1], one.words[2], one.words[3]);
      }
      if (const long error = map.ops->erase(map, &key); error != 0)
        return Fail(board_, "map %s: delete: %ld", map.header->name, error);
    }
  }

  // An empty map takes as many elements as it should.
  void CheckRoom(runtime::MapView& map) {
    std::vector<crash_value> value(std::max<std::size_t>(1, map.slot_count));
    for (std::uint64_t number = 0; number < map.max_entries; ++number) {
      const std::uint64_t key = KeyOf(map, number);
      if (const long error = map.ops->copy_in(map, &key, value.data(), 0); error != 0) {
        return Fail(board_, "map %s: only %llu of %u elements fit: %ld", map.header->name,
                    static_cast<unsigned long long>(number), map.max_entries, error);
      }
    }
    std::uint64_t count = 0;
    std::uint64_t key = 0;
    for (long error = map.ops->next_key(map, nullptr, &key); error == 0; error = map.ops->next_key(map, &key, &key))
      ++count;
    if (count != map.max_entries)
      Fail(board_, "map %s: has %llu of %u elements", map.header->name, static_cast<unsigned long long>(count),
           map.max_entries);
    const std::uint64_t one_more = KeyOf(map, map.max_entries);
    const bool is_taken = map.ops->copy_in(map, &one_more, value.data(), 0) == 0;
    if (is_taken != (map.type == MapType::kLruHash)) Fail(board_, "map %s: takes too many elements", map.header->name);
  }

  void CheckQueue(runtime::MapView& map) {
    crash_value value{};
    while (map.ops->pop(map, &value) == 0) {
      if (!BelongsTo(value, value.words[0])) return Fail(board_, "map %s: a value half written", map.header->name);
    }
    std::uint32_t count = 0;
    while (map.ops->push(map, &value, 0) == 0) ++count;
    if (count != map.max_entries) Fail(board_, "map %s: %u of %u values fit", map.header->name, count, map.max_entries);
  }

  // The trie's keys are prefixes, the others' are numbers.
  static std::uint64_t KeyOf(const runtime::MapView& map, std::uint64_t number) {
    return map.type == MapType::kLpmTrie ? number << 32 | 32 : number;
  }
  static std::uint64_t NumberOf(const runtime::MapView& map, std::uint64_t key) {
    return map.type == MapType::kLpmTrie ? key >> 32 : key;
  }

  // Per-CPU values are written in place: zero where that was never done, and from some word on where the writer was
  // killed in between.
  static bool BelongsTo(const crash_value& value, std::uint64_t key) {
    const crash_value expected{{key, ~key, key * 3, key ^ 0x5555555555555555}};
    return std::memcmp(&value, &expected, sizeof(value)) == 0;
  }
  static bool BelongsInPart(const crash_value& value, std::uint64_t key) {
    const crash_value expected{{key, ~key, key * 3, key ^ 0x5555555555555555}};
    const auto written = std::mismatch(std::begin(value.words), std::end(value.words), expected.words).first;
    return std::all_of(written, std::end(value.words), [](std::uint64_t word) { return word == 0; });
  }

  void Close() {
    if (process_ == nullptr) return;
    for (runtime::MapView* map : maps_) {
      if (map != nullptr) runtime::ReleaseMap(map);
    }
    runtime::CloseProcess(process_);
    if (const auto collected = CollectSessions(runtime_folder_); !collected)
      Fail(board_, "collecting: %s", collected.error().message().c_str());
    if (std::filesystem::exists(board_.session)) Fail(board_, "the session is still there");
  }

  Board& board_;
  std::mt19937_64 random_;
  std::string runtime_folder_;
  std::uint32_t next_traced_ = 0;
  std::unique_ptr<Child> loader_;
  std::unique_ptr<Child> reader_;
  std::vector<std::unique_ptr<Child>> traced_;
  runtime::Process* process_ = nullptr;
  runtime::MapView* maps_[kCrashMapCount] = {};
};

// False after a failure, which it prints.
bool RunRounds(Board& board, const Options& options, const std::string& runtime_folder) {
  for (std::uint64_t round = 0; round < options.rounds; ++round) {
    Round(board, options.seed + round, runtime_folder).Run();
    if (board.has_failed != 0) {
      std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(options.seed + round), board.failure);
      return false;
    }
    if (::isatty(2) != 0)
      std::fprintf(stderr, "\r%llu of %llu rounds", static_cast<unsigned long long>(round + 1),
                   static_cast<unsigned long long>(options.rounds));
  }
  std::printf("%llu rounds from seed %llu: nothing lost, nobody hung; the longest wait was %.0f ms (%s)\n",
              static_cast<unsigned long long>(options.rounds), static_cast<unsigned long long>(options.seed),
              longest_wait_ms, longest_wait.c_str());
  return true;
}

}  // namespace
}  // namespace strata::soak

int main(int argc, char** argv) {
  strata::soak::Options options{.rounds = 1000};
  if (!strata::soak::ReadOptions(argc, argv, options)) return 2;
  void* memory =
      ::mmap(nullptr, sizeof(strata::soak::Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  std::string folder = "/dev/shm/strata-soak-XXXXXX";
  if (memory == MAP_FAILED || ::mkdtemp(folder.data()) == nullptr) {
    std::perror("strata_soak_crash");
    return 1;
  }
  const bool is_good = strata::soak::RunRounds(*static_cast<strata::soak::Board*>(memory), options, folder);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return is_good ? 0 : 1;
}
