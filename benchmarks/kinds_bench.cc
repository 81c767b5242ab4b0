// What an operation of a map kind costs in a program, on both backends in the same run, net of the loop:
//   queue, stack     one push and one pop
//   bloom_filter     push and peek of values of 8 bytes, 5 hash functions
//   lpm_trie         10,000 prefixes of 8 to 32 bits: lookups of addresses; updates; updates with deletes
//   perf_output      64 bytes, read between the rounds
// The least of all rounds counts, because noise only adds. The figures of all but perf_output are map_bench's. Needs
// the right to use bpf(2).
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <string>

#include "figures.h"
#include "strata/strata.h"

namespace {

constexpr int kRounds = 40;
constexpr double kOperationsPerRun = 4096;
constexpr const char* kPrograms[] = {"nothing",           "queue_push_and_pop", "stack_push_and_pop",
                                     "bloom_filter_push", "bloom_filter_peek",  "lpm_trie_lookup",
                                     "lpm_trie_update",   "perf_output",        "lpm_trie_update_and_delete"};

void FillTrie(strata::Collection& objects) {
  auto trie = objects.FindMap<strata::LpmTrie<strata::PrefixKey<4>, std::uint64_t>>("trie").value();
  std::mt19937 random(7);
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    strata::PrefixKey<4> key{static_cast<std::uint32_t>(8 + random() % 25), {}};
    const auto address = static_cast<std::uint32_t>(random());
    std::memcpy(key.data.data(), &address, sizeof(address));
    trie.Update(key, i).value();
  }
}

std::map<std::string, double> Measure(const char* kind) {
  auto objects = strata::LoadCollection(strata::OpenBackend(kind).value(), std::string(STRATA_BPF_KINDS_BENCH)).value();
  FillTrie(objects);
  auto reader = strata::PerfReader::Open(**objects.FindMap("samples"), {.size_bytes = 1 << 20}).value();
  std::map<std::string, double> least;
  for (int round = 0; round < kRounds; ++round) {
    for (const char* name : kPrograms) {
      const auto start = std::chrono::steady_clock::now();
      (*objects.FindProgram(name))->TestRun().value();
      const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
      const double ns = elapsed.count() / kOperationsPerRun;
      const auto [place, is_new] = least.try_emplace(name, ns);
      place->second = std::min(place->second, ns);
      reader.Consume([](std::uint32_t, std::span<const std::byte>) { return true; }).value();
    }
  }
  if (reader.lost() != 0) fmt::print("{}: {} samples found no room\n", kind, reader.lost());
  return least;
}

int Run(bool figures) {
  auto kernel = Measure("kernel");
  auto userspace = Measure("userspace");
  const auto net = [](std::map<std::string, double>& times, const char* name) {
    return times[name] - times["nothing"];
  };
  if (figures) {
    const double theirs = net(kernel, "perf_output");
    strata::bench::PrintFigure("perf.output", net(userspace, "perf_output"), {.kernel = theirs});
    return 0;
  }
  for (const char* name : kPrograms) {
    fmt::print("{:28} {:7.1f} ns, kernel {:7.1f}\n", name, net(userspace, name), net(kernel, name));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return strata::bench::RunMain(argc, argv, Run); }
