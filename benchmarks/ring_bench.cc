// Records of 64 bytes from programs to a ring buffer, on both backends in the same run, with 1, 2 and 4 threads that
// produce and one that consumes without pause. Printed is the time per record of all producers together, net of the
// loop, the least of all rounds; and how many records were refused. Needs the right to use bpf(2).
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <thread>
#include <vector>

#include "figures.h"
#include "strata/strata.h"

namespace {

constexpr int kRounds = 8;
constexpr int kRunsPerRound = 64;
constexpr int kRecordsPerRun = 4096;

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
      if (reader_.Consume([](std::span<const std::byte>) { return true; }).value() == 0)
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  strata::RingReader reader_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

double NsPerRecord(const strata::Program& program, int producers) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < producers; ++i) {
    threads.emplace_back([&] {
      for (int run = 0; run < kRunsPerRound / producers; ++run) program.TestRun().value();
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
  return elapsed.count() / (kRunsPerRound * kRecordsPerRun);
}

double Measure(strata::Collection& objects, int producers) {
  double output = std::numeric_limits<double>::max();
  double nothing = output;
  for (int round = 0; round < kRounds; ++round) {
    output = std::min(output, NsPerRecord(**objects.FindProgram("output"), producers));
    nothing = std::min(nothing, NsPerRecord(**objects.FindProgram("nothing"), producers));
  }
  return output - nothing;
}

struct Rounds {
  double ns;
  std::uint64_t refused;
};

std::map<int, Rounds> MeasureBackend(const char* kind) {
  auto objects = strata::LoadCollection(strata::OpenBackend(kind).value(), std::string(STRATA_BPF_RING_BENCH)).value();
  const Drain drain(**objects.FindMap("events"));
  const auto refused = objects.FindMap<strata::Array<std::uint64_t>>("refused").value();
  std::map<int, Rounds> by_producers;
  std::uint64_t before = 0;
  for (const int producers : {1, 2, 4}) {
    const double ns = Measure(objects, producers);
    const std::uint64_t now = **refused.Lookup(0);
    by_producers[producers] = {ns, now - before};
    before = now;
  }
  return by_producers;
}

int Run(bool figures) {
  const auto kernel = MeasureBackend("kernel");
  const auto userspace = MeasureBackend("userspace");
  for (const auto& [producers, ours] : userspace) {
    const Rounds& theirs = kernel.at(producers);
    if (figures) {
      strata::bench::PrintFigure(fmt::format("ring.output.{}_producers", producers), ours.ns, {.kernel = theirs.ns});
    } else {
      fmt::print("{} producers: {:6.1f} ns a record, {} refused; kernel {:6.1f} ns, {} refused\n", producers, ours.ns,
                 ours.refused, theirs.ns, theirs.refused);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return strata::bench::RunMain(argc, argv, Run); }
