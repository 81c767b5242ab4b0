// Maps that hold objects, on both backends in one run, each net of a program without the operation:
//   tail_call               a program that tail-calls itself 33 times
//   array_of_maps.lookup    of the inner map alone, 64 in a row
//   hash_of_maps.lookup
// The least of all rounds counts, because noise only adds. Needs the right to use bpf(2).
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

#include "figures.h"
#include "strata/strata.h"

namespace {

constexpr int kRounds = 30;
constexpr std::uint32_t kRuns = 20'000;

struct Operation {
  const char* program;
  const char* figure;
  int count;
};
constexpr Operation kOperations[] = {
    {"repeat", "object.tail_call", 33},
    {"array_of_maps", "object.array_of_maps_lookup", 64},
    {"hash_of_maps", "object.hash_of_maps_lookup", 64},
};

class Side {
 public:
  explicit Side(const char* backend)
      : objects_(
            strata::LoadCollection(strata::OpenBackend(backend).value(), std::string(STRATA_BPF_OBJECT_BENCH)).value()),
        takes_packets_(std::string_view(backend) == "kernel") {
    auto targets = objects_.FindMap<strata::ProgArray>("targets").value();
    targets.Update(1, **objects_.FindProgram("repeat")).value();
  }

  double NanosecondsOf(const char* program) {
    static constexpr std::byte kPacket[64] = {};
    strata::TestRunOptions options;
    if (takes_packets_) options.data_in = kPacket;
    const auto once = objects_.FindProgram(program).value()->Benchmark(kRuns, options).value();
    return static_cast<double>(once.count());
  }

  double NanosecondsEach(const Operation& operation) {
    double with = std::numeric_limits<double>::max();
    double without = with;
    for (int round = 0; round < kRounds; ++round) {
      with = std::min(with, NanosecondsOf(operation.program));
      without = std::min(without, NanosecondsOf("nothing"));
    }
    return (with - without) / operation.count;
  }

 private:
  strata::Collection objects_;
  bool takes_packets_;
};

int Run(bool figures) {
  Side kernel("kernel");
  Side userspace("userspace");
  for (const Operation& operation : kOperations) {
    const double ours = userspace.NanosecondsEach(operation);
    const double theirs = kernel.NanosecondsEach(operation);
    if (figures) {
      strata::bench::PrintFigure(operation.figure, ours, {.kernel = theirs});
    } else {
      fmt::print("{}: {:.2f} ns, kernel {:.2f} ns\n", operation.figure, ours, theirs);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return strata::bench::RunMain(argc, argv, Run); }
