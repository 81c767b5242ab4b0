// Maps.
//   OPERATIONS               what one operation costs inside of a program, on both backends: programs that do it 8,192
//                            times a run (map_bench.bpf.c), less the same loop without it. 8-byte keys and values,
//                            4-byte keys of arrays, 8,192 of at most 10,000 elements, all of them in turn; update of
//                            keys that are there; lru_evict: insertion of new keys into a full LRU hash
//   ring_output.N_producers  64 bytes, by 1, 2 and 4 threads, while another empties the ring every 50 us: time by
//   record iterate.10000_elements   every key and value of a full hash of the kernel, beside libbpf: HashMap::ForEach
//   against
//                            bpf_map_get_next_key and bpf_map_lookup_elem in turn
// Rounds alternate; the least of all rounds counts, because noise only adds. Figures without nanoseconds are ratios,
// ours to the kernel's or to libbpf's. What concerns the kernel needs the right to use bpf(2).
#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "figures.h"
#include "map_operations.h"
#include "strata/strata.h"

namespace {

constexpr std::uint32_t kElements = 10'000;
constexpr int kRounds = 20;
using Hash = strata::HashMap<std::uint32_t, std::uint64_t>;

Hash MakeFullHash() {
  strata::MapSpec spec;
  spec.name = "iterated";
  spec.type = strata::MapType::kHash;
  spec.key_size = 4;
  spec.value_size = 8;
  spec.max_entries = kElements;
  auto map = Hash::From(strata::Map::Create(strata::OpenBackend("kernel").value(), spec).value()).value();
  for (std::uint32_t key = 0; key < kElements; ++key) map.Update(key, key + 1).value();
  return map;
}

std::uint64_t SumByOurs(const Hash& map) {
  std::uint64_t sum = 0;
  map.ForEach([&](std::uint32_t, std::uint64_t value) { sum += value; }).value();
  return sum;
}

std::uint64_t SumByLibbpf(int fd) {
  std::uint64_t sum = 0;
  std::uint32_t key = 0;
  std::uint64_t value = 0;
  for (int error = ::bpf_map_get_next_key(fd, nullptr, &key); error == 0;
       error = ::bpf_map_get_next_key(fd, &key, &key)) {
    if (::bpf_map_lookup_elem(fd, &key, &value) == 0) sum += value;
  }
  return sum;
}

template <typename Sum>
double MicrosecondsOf(Sum sum) {
  const auto start = std::chrono::steady_clock::now();
  if (sum() != std::uint64_t{kElements} * (kElements + 1) / 2) throw std::runtime_error("not every element was seen");
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

void MeasureIteration(bool figures) {
  const Hash map = MakeFullHash();
  const strata::UniqueFd fd(::bpf_map_get_fd_by_id(map.map().info().id));
  double ours = std::numeric_limits<double>::max();
  double libbpf = ours;
  for (int round = 0; round < kRounds; ++round) {
    ours = std::min(ours, MicrosecondsOf([&] { return SumByOurs(map); }));
    libbpf = std::min(libbpf, MicrosecondsOf([&] { return SumByLibbpf(fd.get()); }));
  }
  if (figures) {
    strata::bench::PrintFigure("map.iterate.10000_elements.time", ours / libbpf);
  } else {
    fmt::print("{} elements of a hash: {:.0f} us, libbpf {:.0f} us, ratio {:.2f}\n", kElements, ours, libbpf,
               ours / libbpf);
  }
}

int Run(bool figures) {
  strata::bench::MeasureMapOperations(figures);
  if (strata::OpenBackend("kernel")) MeasureIteration(figures);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return strata::bench::RunMain(argc, argv, Run); }
