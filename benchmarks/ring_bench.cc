// Records of 64 bytes from programs to a ring buffer, on both backends in the same run, with 1, 2 and 4 threads that
// produce and one that consumes without pause. Printed is the time per record of all producers together, net of the
// loop, the least of all rounds; and how many records were refused. Needs the right to use bpf(2).
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

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

}  // namespace

int main() {
  for (const char* kind : {"kernel", "userspace"}) {
    auto objects =
        strata::LoadCollection(strata::OpenBackend(kind).value(), std::string(STRATA_BPF_RING_BENCH)).value();
    const Drain drain(**objects.FindMap("events"));
    const auto refused = objects.FindMap<strata::Array<std::uint64_t>>("refused").value();
    std::uint64_t before = 0;
    for (const int producers : {1, 2, 4}) {
      const double ns = Measure(objects, producers);
      const std::uint64_t now = **refused.Lookup(0);
      fmt::print("{:9} {} producers: {:6.1f} ns a record, {} refused\n", kind, producers, ns, now - before);
      before = now;
    }
  }
  return 0;
}
