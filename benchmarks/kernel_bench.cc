// The kernel backend beside libbpf, in one run and on the same kernel objects:
//   map.lookup, map.update, map.delete   elements of a hash of 100,000, by one call each
//   map.iterate                          that hash from the first to the last element, keys and values
//   map.batch_lookup, map.batch_update   that hash by the batch commands, 4,096 elements a call
//   ring.consume, perf.consume           20,000 records of 64 bytes from a filled ring buffer or perf event array
//   load.100_programs                    an object of 100 programs, from its file to loaded programs
// Seven rounds; in each, both do the work several times in turn, and the least of each counts, because noise only adds.
// Time is the thread's own, in user space and in the kernel. A figure is the median over the rounds of ours to
// libbpf's.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "figures.h"
#include "strata/strata.h"

namespace {

constexpr std::uint32_t kEntries = 100'000;
constexpr std::uint32_t kCalls = 1'000;  // on single elements, in one turn
constexpr std::uint32_t kBatch = 4'096;  // elements in one call
constexpr std::uint64_t kRecords = 20'000;
constexpr std::uint64_t kSumOfRecords = kRecords * (kRecords - 1) / 2;
constexpr std::size_t kPerfPages = 512;
constexpr int kRounds = 7;

void Check(bool holds, const char* what) {
  if (holds) return;
  fmt::print(stderr, "kernel_bench: {}\n", what);
  std::exit(1);
}

// The first word of each record, so that both consumers look at it.
void AddFirstWord(const void* record, std::uint64_t* sum) {
  std::uint64_t word = 0;
  std::memcpy(&word, record, sizeof(word));
  *sum += word;
}

int OnRingRecord(void* sum, void* record, std::size_t) {
  AddFirstWord(record, static_cast<std::uint64_t*>(sum));
  return 0;
}

void OnPerfSample(void* sum, int, void* sample, unsigned) { AddFirstWord(sample, static_cast<std::uint64_t*>(sum)); }

class Bench {
 public:
  using Table = strata::HashMap<std::uint32_t, std::uint64_t>;

  Bench()
      : backend_(strata::OpenBackend("kernel").value()),
        objects_(strata::LoadCollection(backend_, std::string(STRATA_BPF_KERNEL_BENCH)).value()),
        table_(objects_.FindMap<Table>("table").value()),
        table_fd_(FdOf("table")),
        ring_fd_(FdOf("ring_of_libbpf")),
        samples_fd_(FdOf("samples_of_libbpf")),
        fill_rings_(::bpf_prog_get_fd_by_id(objects_.FindProgram("fill_rings").value()->info().id)),
        fill_arrays_(::bpf_prog_get_fd_by_id(objects_.FindProgram("fill_arrays").value()->info().id)),
        ring_(strata::RingReader::Open(*objects_.FindMap("ring_of_strata").value()).value()),
        libbpf_ring_(::ring_buffer__new(ring_fd_.get(), OnRingRecord, &sum_, nullptr), ::ring_buffer__free),
        samples_(
            strata::PerfReader::Open(*objects_.FindMap("samples_of_strata").value(), {.size_bytes = kPerfPages * 4096})
                .value()),
        libbpf_samples_(::perf_buffer__new(samples_fd_.get(), kPerfPages, OnPerfSample, nullptr, &sum_, nullptr),
                        ::perf_buffer__free) {
    Check(libbpf_ring_ != nullptr && libbpf_samples_ != nullptr, "libbpf has no readers");
  }

  void FillTable() {
    for (std::uint32_t key = 0; key < kEntries; ++key) Check(bool(table_.Update(key, key)), "the table is not filled");
  }
  void FillRings() { RunOnce(fill_rings_); }
  void FillArrays() { RunOnce(fill_arrays_); }

  void LookUp() {
    for (std::uint32_t key = 0; key < kCalls; ++key) Check(**table_.Lookup(key) == key, "lookup");
  }
  void LookUpByLibbpf() {
    for (std::uint32_t key = 0; key < kCalls; ++key) {
      std::uint64_t value = 0;
      Check(::bpf_map_lookup_elem(table_fd_.get(), &key, &value) == 0 && value == key, "lookup by libbpf");
    }
  }
  void Update() {
    for (std::uint32_t key = 0; key < kCalls; ++key) Check(bool(table_.Update(key, key)), "update");
  }
  void UpdateByLibbpf() {
    for (std::uint32_t key = 0; key < kCalls; ++key) {
      const std::uint64_t value = key;
      Check(::bpf_map_update_elem(table_fd_.get(), &key, &value, BPF_ANY) == 0, "update by libbpf");
    }
  }
  void Delete() {
    for (std::uint32_t key = 0; key < kCalls; ++key) Check(*table_.Delete(key), "delete");
  }
  void DeleteByLibbpf() {
    for (std::uint32_t key = 0; key < kCalls; ++key) {
      Check(::bpf_map_delete_elem(table_fd_.get(), &key) == 0, "delete by libbpf");
    }
  }
  void Iterate() {
    std::uint64_t sum = 0;
    Check(bool(table_.ForEach([&](const std::uint32_t&, const std::uint64_t& value) { sum += value; })), "iterate");
    CheckTable(sum);
  }
  void IterateByLibbpf() {
    std::uint64_t sum = 0;
    std::uint32_t key = 0;
    std::uint64_t value = 0;
    for (const std::uint32_t* last = nullptr; ::bpf_map_get_next_key(table_fd_.get(), last, &key) == 0; last = &key) {
      Check(::bpf_map_lookup_elem(table_fd_.get(), &key, &value) == 0, "iterate");
      sum += value;
    }
    CheckTable(sum);
  }

  void LookUpBatches() {
    strata::BatchCursor cursor;
    std::uint32_t count = 0;
    while (!cursor.is_at_end) {
      const strata::BatchResult batch = table_.LookupBatch(cursor, std::span(keys_), std::span(values_));
      Check(bool(batch), "batch lookup");
      count += batch.count;
    }
    Check(count == kEntries, "elements are missing in our batches");
  }
  void LookUpBatchesByLibbpf() {
    std::uint32_t cursor = 0;
    std::uint32_t total = 0;
    int result = 0;
    for (const void* from = nullptr; result == 0; from = &cursor) {
      std::uint32_t count = kBatch;
      result = ::bpf_map_lookup_batch(table_fd_.get(), const_cast<void*>(from), &cursor, keys_.data(), values_.data(),
                                      &count, nullptr);
      Check(result == 0 || result == -ENOENT, "batch lookup by libbpf");
      total += count;
    }
    Check(total == kEntries, "elements are missing in libbpf's batches");
  }
  void UpdateBatches() {
    FillBatch();
    Check(bool(table_.UpdateBatch(std::span<const std::uint32_t>(keys_), std::span<const std::uint64_t>(values_))),
          "batch update");
  }
  void UpdateBatchesByLibbpf() {
    FillBatch();
    std::uint32_t count = kBatch;
    Check(
        ::bpf_map_update_batch(table_fd_.get(), keys_.data(), values_.data(), &count, nullptr) == 0 && count == kBatch,
        "batch update by libbpf");
  }

  void ConsumeRing() {
    std::uint64_t sum = 0;
    const auto count = ring_.Consume([&sum](std::span<const std::byte> record) {
      AddFirstWord(record.data(), &sum);
      return true;
    });
    Check(*count == kRecords && sum == kSumOfRecords, "records are missing in our ring");
  }
  void ConsumeRingByLibbpf() {
    sum_ = 0;
    const int count = ::ring_buffer__consume(libbpf_ring_.get());
    Check(count == static_cast<int>(kRecords) && sum_ == kSumOfRecords, "records are missing in libbpf's ring");
  }
  void ConsumeSamples() {
    std::uint64_t sum = 0;
    const auto count = samples_.Consume([&sum](std::uint32_t, std::span<const std::byte> sample) {
      AddFirstWord(sample.data(), &sum);
      return true;
    });
    Check(*count == kRecords && sum == kSumOfRecords, "samples are missing in our buffers");
  }
  void ConsumeSamplesByLibbpf() {
    sum_ = 0;
    Check(::perf_buffer__consume(libbpf_samples_.get()) == 0, "perf_buffer__consume");
    Check(sum_ == kSumOfRecords, "samples are missing in libbpf's buffers");
  }

  void Load() { loaded_.emplace(strata::LoadCollection(backend_, std::string(STRATA_BPF_KERNEL_LOAD)).value()); }
  void LoadByLibbpf() {
    loaded_by_libbpf_.reset(::bpf_object__open_file(STRATA_BPF_KERNEL_LOAD, nullptr));
    Check(loaded_by_libbpf_ != nullptr && ::bpf_object__load(loaded_by_libbpf_.get()) == 0, "libbpf does not load");
  }
  void Unload() {
    Check(!loaded_ || loaded_->programs().size() == 100, "the object has not 100 programs");
    loaded_.reset();
    loaded_by_libbpf_.reset();
  }

  void Nothing() {}

 private:
  strata::UniqueFd FdOf(const char* map) {
    return strata::UniqueFd(::bpf_map_get_fd_by_id(objects_.FindMap(map).value()->info().id));
  }
  static void RunOnce(const strata::UniqueFd& program) {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    Check(::bpf_prog_test_run_opts(program.get(), &options) == 0, "a program does not run");
  }
  void FillBatch() {
    for (std::uint32_t key = 0; key < kBatch; ++key) {
      keys_[key] = key;
      values_[key] = key;
    }
  }
  static void CheckTable(std::uint64_t sum) {
    Check(sum == std::uint64_t{kEntries} * (kEntries - 1) / 2, "elements are missing in the table");
  }

  std::shared_ptr<strata::Backend> backend_;
  strata::Collection objects_;
  Table table_;
  strata::UniqueFd table_fd_, ring_fd_, samples_fd_, fill_rings_, fill_arrays_;
  std::vector<std::uint32_t> keys_ = std::vector<std::uint32_t>(kBatch);
  std::vector<std::uint64_t> values_ = std::vector<std::uint64_t>(kBatch);
  std::uint64_t sum_ = 0;  // of libbpf's consumers
  strata::RingReader ring_;
  std::unique_ptr<ring_buffer, decltype(&::ring_buffer__free)> libbpf_ring_;
  strata::PerfReader samples_;
  std::unique_ptr<perf_buffer, decltype(&::perf_buffer__free)> libbpf_samples_;
  std::optional<strata::Collection> loaded_;
  std::unique_ptr<bpf_object, decltype(&::bpf_object__close)> loaded_by_libbpf_{nullptr, ::bpf_object__close};
};

using Step = void (Bench::*)();
constexpr Step N = &Bench::Nothing;

struct Row {
  const char* name;   // "kernel.<name>" is the figure
  Step prepare;       // once
  Step prepare_turn;  // before both
  Step prepare_each;  // before each
  Step ours;
  Step libbpf;
  Step after_each;
  std::uint32_t units;  // of work in one step
  int turns;            // of both, in a round
};
constexpr Row kRows[] = {
    // clang-format off
    {"map.lookup", &Bench::FillTable, N, N, &Bench::LookUp, &Bench::LookUpByLibbpf, N, kCalls, 100},
    {"map.update", N, N, N, &Bench::Update, &Bench::UpdateByLibbpf, N, kCalls, 100},
    {"map.delete", N, N, &Bench::Update, &Bench::Delete, &Bench::DeleteByLibbpf, N, kCalls, 100},
    {"map.iterate", &Bench::FillTable, N, N, &Bench::Iterate, &Bench::IterateByLibbpf, N, kEntries, 1},
    {"map.batch_lookup", N, N, N, &Bench::LookUpBatches, &Bench::LookUpBatchesByLibbpf, N, kEntries, 4},
    {"map.batch_update", N, N, N, &Bench::UpdateBatches, &Bench::UpdateBatchesByLibbpf, N, kBatch, 30},
    {"ring.consume", N, &Bench::FillRings, N, &Bench::ConsumeRing, &Bench::ConsumeRingByLibbpf, N, kRecords, 8},
    {"perf.consume", N, &Bench::FillArrays, N, &Bench::ConsumeSamples, &Bench::ConsumeSamplesByLibbpf, N, kRecords, 4},
    {"load.100_programs", N, N, N, &Bench::Load, &Bench::LoadByLibbpf, &Bench::Unload, 1, 10},
    // clang-format on
};

struct Times {
  double ours = std::numeric_limits<double>::max();
  double libbpf = std::numeric_limits<double>::max();
};

double ThreadNs() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double NsOf(Bench& bench, const Row& row, Step work) {
  (bench.*row.prepare_each)();
  const double start = ThreadNs();
  (bench.*work)();
  const double took = ThreadNs() - start;
  (bench.*row.after_each)();
  return took / row.units;
}

// Who is first changes with each turn: the second may find warmer caches.
Times Round(Bench& bench, const Row& row, int round) {
  Times least;
  for (int turn = 0; turn < row.turns; ++turn) {
    const bool ours_is_first = (round + turn) % 2 == 0;
    (bench.*row.prepare_turn)();
    if (ours_is_first) least.ours = std::min(least.ours, NsOf(bench, row, row.ours));
    least.libbpf = std::min(least.libbpf, NsOf(bench, row, row.libbpf));
    if (!ours_is_first) least.ours = std::min(least.ours, NsOf(bench, row, row.ours));
  }
  return least;
}

// The round whose ratio is the median.
Times Median(std::array<Times, kRounds> rounds) {
  const auto ratio_is_less = [](const Times& a, const Times& b) { return a.ours / a.libbpf < b.ours / b.libbpf; };
  std::sort(rounds.begin(), rounds.end(), ratio_is_less);
  return rounds[kRounds / 2];
}

void Print(const Row& row, const Times& times, bool figures) {
  const double ratio = times.ours / times.libbpf;
  if (figures) {
    strata::bench::PrintFigure(std::string("kernel.") + row.name, ratio);
  } else {
    fmt::print("{:<20} {:>12.1f} {:>12.1f} {:>7.3f}x\n", row.name, times.ours, times.libbpf, ratio);
  }
}

int Run(bool figures) {
  ::libbpf_set_print(nullptr);
  Bench bench;
  if (!figures) fmt::print("{:<20} {:>12} {:>12} {:>8}\n", "ns, median of rounds", "strata", "libbpf", "ratio");
  for (const Row& row : kRows) {
    (bench.*row.prepare)();
    std::array<Times, kRounds> rounds;
    for (int round = 0; round < kRounds; ++round) rounds[static_cast<std::size_t>(round)] = Round(bench, row, round);
    Print(row, Median(rounds), figures);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return strata::bench::RunMain(argc, argv, Run); }
