// Cost of a uprobe on both backends, per call and over the bare call, in this process:
//   empty            a program that does nothing
//   per_cpu_count    lookup in a per-CPU array, plain increment
//   hash_update      update of one element of a hash
//   ring_output      64 bytes to a ring buffer that a second thread empties
//   return           an empty program at the function's return; entry_and_return: both
// The rounds of all workloads alternate with bare calls; the least of all rounds counts, because noise only adds.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "figures.h"
#include "strata/strata.h"

extern "C" long strata_bench_target(long a);  // bench_target.cc

namespace {

using strata::bench::Comparison;
using Clock = std::chrono::steady_clock;

struct Workload {
  const char* name;  // "uprobe.<name>" is the figure
  const char* entry;
  const char* exit;
};
constexpr Workload kWorkloads[] = {
    {"entry.empty", "empty", nullptr},
    {"entry.per_cpu_count", "per_cpu_count", nullptr},
    {"entry.hash_update", "hash_update", nullptr},
    {"entry.ring_output", "ring_output", nullptr},
    {"return.empty", nullptr, "empty_return"},
    {"entry_and_return.empty", "empty", "empty_return"},
};

double NsPerCall(long calls) {
  const auto start = Clock::now();
  for (long i = 0; i < calls; ++i) strata_bench_target(i);
  const std::chrono::duration<double, std::nano> elapsed = Clock::now() - start;
  return elapsed.count() / static_cast<double>(calls);
}

// An awake consumer: looks at the ring every 50 microseconds, so that it never fills and nobody has to be woken.
class Drain {
 public:
  explicit Drain(const strata::Map& map) : reader_(strata::RingReader::Open(map).value()), thread_([this] { Run(); }) {}
  Drain(const Drain&) = delete;
  Drain& operator=(const Drain&) = delete;
  ~Drain() {
    stop_ = true;
    thread_.join();
  }

 private:
  void Run() {
    while (!stop_) {
      [[maybe_unused]] const auto consumed = reader_.Consume([](std::span<const std::byte>) { return true; });
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  strata::RingReader reader_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class Bench {
 public:
  Bench(const std::string& backend_name, long calls)
      : calls_(calls),
        backend_(
            strata::OpenBackend(
                backend_name, {.session = fmt::format("bench-{}", ::getpid()), .runtime_folder = {}, .agent_path = {}})
                .value()),
        objects_(strata::LoadCollection(backend_, std::string(STRATA_BPF_UPROBE_BENCH)).value()),
        self_(strata::OpenExecutable("/proc/self/exe").value()) {}

  // One round: what a call costs above the bare call just before it.
  double Round(const Workload& workload) {
    const double bare = NsPerCall(kBareCalls);
    std::optional<strata::Uprobe> entry;
    std::optional<strata::Uretprobe> exit;
    std::optional<Drain> drain;
    const strata::UprobeOptions own{.pid = ::getpid()};
    if (workload.entry != nullptr) {
      entry.emplace(
          self_.AttachUprobe("strata_bench_target", *objects_.FindProgram(workload.entry).value(), own).value());
    }
    if (workload.exit != nullptr) {
      exit.emplace(
          self_.AttachUretprobe("strata_bench_target", *objects_.FindProgram(workload.exit).value(), own).value());
    }
    if (std::string_view(workload.name) == "entry.ring_output") drain.emplace(*objects_.FindMap("ring").value());
    NsPerCall(calls_ / 10);
    const double traced = NsPerCall(calls_);
    least_bare_ = std::min(least_bare_, bare);
    return traced - bare;
  }

  double least_bare() const { return least_bare_; }

 private:
  static constexpr long kBareCalls = 2'000'000;
  long calls_;
  std::shared_ptr<strata::Backend> backend_;
  strata::Collection objects_;
  strata::Executable self_;
  double least_bare_ = std::numeric_limits<double>::max();
};

struct Measured {
  double userspace = std::numeric_limits<double>::max();
  std::optional<double> kernel;
};

int Run(bool figures) {
  const int rounds = figures ? 5 : 15;
  Bench userspace("userspace", figures ? 2'000'000 : 5'000'000);
  std::optional<Bench> kernel;
  if (strata::OpenBackend("kernel")) kernel.emplace("kernel", figures ? 20'000 : 50'000);
  std::map<std::string, Measured> measured;
  for (int round = 0; round < rounds; ++round) {
    for (const Workload& workload : kWorkloads) {
      Measured& one = measured[workload.name];
      one.userspace = std::min(one.userspace, userspace.Round(workload));
      if (kernel)
        one.kernel = std::min(one.kernel.value_or(std::numeric_limits<double>::max()), kernel->Round(workload));
    }
  }
  if (!figures) fmt::print("{:<26} {:>14} {:>14} {:>8}\n", "ns over the bare call", "userspace", "kernel", "ratio");
  for (const Workload& workload : kWorkloads) {
    const Measured& one = measured[workload.name];
    if (figures) {
      strata::bench::PrintFigure(std::string("uprobe.") + workload.name, one.userspace,
                                 Comparison{.kernel = one.kernel, .native = userspace.least_bare()});
    } else if (one.kernel) {
      fmt::print("{:<26} {:>14.1f} {:>14.0f} {:>7.0f}x\n", workload.name, one.userspace, *one.kernel,
                 *one.kernel / one.userspace);
    } else {
      fmt::print("{:<26} {:>14.1f} {:>14} {:>8}\n", workload.name, one.userspace, "needs root", "");
    }
  }
  if (!figures) fmt::print("bare call {:.1f} ns; least of {} rounds\n", userspace.least_bare(), rounds);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return strata::bench::RunMain(argc, argv, Run); }
