#include "map_operations.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "figures.h"
#include "strata/strata.h"

namespace strata::bench {
namespace {

constexpr std::uint32_t kOperations = 8192;  // KEYS in map_bench.bpf.c
constexpr double kNever = std::numeric_limits<double>::max();

// A figure is nanoseconds, or, where the target is "not slower than the kernel", ours to the kernel's.
enum class Unit : std::uint8_t { kNanoseconds, kRatio };

struct Operation {
  const char* program;
  const char* prepare;  // run before each measured run, not measured; null for none
  Unit unit;
  int producers = 0;                // threads that run it at the same time, beside a consumer; 0: the caller's alone
  const char* without = "nothing";  // the same but for the operation
};

std::string FigureOf(const Operation& operation) {
  return operation.producers == 0 ? fmt::format("map.{}", operation.program)
                                  : fmt::format("map.{}.{}_producers", operation.program, operation.producers);
}

// What a map must hold for an operation to succeed is put there by `prepare`. One more is a row here, a program in
// map_bench.bpf.c and a target in figures.cc; kinds that a backend does not have are left out.
constexpr Operation kMeasured[] = {
    {"array_lookup", nullptr, Unit::kNanoseconds},
    {"array_update", nullptr, Unit::kNanoseconds},
    {"percpu_array_lookup", nullptr, Unit::kNanoseconds},
    {"percpu_array_update", nullptr, Unit::kRatio},
    {"hash_lookup", "hash_update", Unit::kNanoseconds},
    {"hash_update", "hash_update", Unit::kNanoseconds},
    {"hash_delete", "hash_update", Unit::kNanoseconds},
    {"percpu_hash_lookup", "percpu_hash_update", Unit::kNanoseconds},
    {"percpu_hash_update", "percpu_hash_update", Unit::kNanoseconds},
    {"percpu_hash_delete", "percpu_hash_update", Unit::kNanoseconds},
    {"lru_hash_lookup", "lru_hash_update", Unit::kRatio},
    {"lru_hash_update", "lru_hash_update", Unit::kNanoseconds},
    {"lru_hash_delete", "lru_hash_update", Unit::kRatio},
    {"lru_evict", "lru_evict_next", Unit::kRatio},
    {"lru_percpu_hash_lookup", "lru_percpu_hash_update", Unit::kRatio},
    {"lru_percpu_hash_update", "lru_percpu_hash_update", Unit::kNanoseconds},
    {"lru_percpu_hash_delete", "lru_percpu_hash_update", Unit::kRatio},
    {"lpm_trie_lookup", "lpm_trie_update", Unit::kRatio, 0, "nothing_prefix"},
    {"lpm_trie_update", "lpm_trie_update", Unit::kRatio, 0, "nothing_prefix"},
    {"lpm_trie_delete", "lpm_trie_update", Unit::kRatio, 0, "nothing_prefix"},
    {"queue_push_pop", nullptr, Unit::kRatio},
    {"stack_push_pop", nullptr, Unit::kRatio},
    {"bloom_filter_push", nullptr, Unit::kRatio},
    {"bloom_filter_peek", "bloom_filter_push", Unit::kRatio},
    {"array_of_maps_lookup", nullptr, Unit::kRatio, 0, "nothing_position"},
    {"hash_of_maps_lookup", nullptr, Unit::kRatio, 0, "nothing_position"},
    {"ring_output", nullptr, Unit::kRatio, 1},
    {"ring_output", nullptr, Unit::kRatio, 2},
    {"ring_output", nullptr, Unit::kRatio, 4},
};

// An awake consumer: looks at the ring every 50 microseconds, so that it never fills and nobody has to be woken.
class Drain {
 public:
  explicit Drain(const Map& map) : reader_(RingReader::Open(map).value()), thread_([this] { Run(); }) {}
  Drain(const Drain&) = delete;
  Drain& operator=(const Drain&) = delete;
  ~Drain() {
    stop_ = true;
    thread_.join();
  }

 private:
  void Consume() {
    reader_.Consume([](std::span<const std::byte>) { return true; }).value();
  }
  void Run() {
    while (!stop_) {
      Consume();
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    Consume();  // for who comes next
  }
  RingReader reader_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Nanoseconds, the least of all rounds.
struct Measured {
  double operation = kNever;
  double without = kNever;
  double net() const { return operation - without; }
};

class Backend {
 public:
  explicit Backend(std::string_view name)
      : is_kernel_(name == "kernel"),
        backend_(
            OpenBackend(name, {.session = fmt::format("bench-{}", ::getpid()), .runtime_folder = {}, .agent_path = {}})
                .value()) {}

  // False for a kind of map that this backend does not have.
  bool Add(const Operation& operation) {
    if (objects_.contains(operation.program)) return true;
    LoadOptions options;
    options.programs = {operation.without, operation.program};
    if (operation.prepare != nullptr) options.programs.emplace_back(operation.prepare);
    options.unused_maps = UnusedMaps::kSkip;
    auto objects = LoadCollection(backend_, std::string(STRATA_BPF_MAP_BENCH), options);
    if (!objects && objects.error().code() == ErrorCode::kNotSupported) return false;
    objects_.emplace(operation.program, std::move(objects).value());
    return true;
  }

  void Round(const Operation& operation, Measured* measured) {
    Collection& objects = objects_.at(operation.program);
    if (operation.prepare != nullptr) Run(*objects.FindProgram(operation.prepare).value());
    const Program& program = *objects.FindProgram(operation.program).value();
    const double elapsed =
        operation.producers > 0 ? RingRound(program, *objects.FindMap("ring").value(), operation) : Run(program);
    measured->operation = std::min(measured->operation, elapsed);
    measured->without = std::min(measured->without, Run(*objects.FindProgram(operation.without).value()));
  }

 private:
  TestRunResult RunOnce(const Program& program) const {
    constexpr std::array<std::byte, 64> kPacket{};
    TestRunOptions options;
    if (is_kernel_) options.data_in = kPacket;
    return program.TestRun(options).value();
  }

  double Run(const Program& program) const {
    const TestRunResult result = RunOnce(program);
    if (result.return_value != kOperations) {
      throw std::runtime_error(
          fmt::format("{}: {} of {} operations succeeded", program.name(), result.return_value, kOperations));
    }
    return static_cast<double>(result.duration.count()) / kOperations;
  }

  // The time until the last thread has written its records, by record that was written: a ring refuses one when it
  // waited too long for its lock.
  double RingRound(const Program& program, const Map& ring, const Operation& operation) {
    constexpr int kRuns = 32;
    const Drain drain(ring);
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::future<std::uint64_t>> producers;
    for (int i = 0; i < operation.producers; ++i) {
      producers.push_back(std::async(std::launch::async, [&] {
        std::uint64_t written = 0;
        for (int run = 0; run < kRuns; ++run) written += RunOnce(program).return_value;
        return written;
      }));
    }
    std::uint64_t written = 0;
    for (std::future<std::uint64_t>& producer : producers) written += producer.get();
    const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
    return elapsed.count() / static_cast<double>(written);
  }

  bool is_kernel_;
  std::shared_ptr<strata::Backend> backend_;
  std::map<std::string_view, Collection> objects_;
};

void Print(bool figures, const Operation& operation, double userspace, std::optional<double> kernel) {
  const std::string figure = FigureOf(operation);
  if (!figures) {
    fmt::print("{:<32} {:>10.1f} {:>10.1f} {:>7.2f}\n", figure, userspace, kernel.value_or(0),
               userspace / kernel.value_or(userspace));
    std::fflush(stdout);
  } else if (operation.unit == Unit::kNanoseconds) {
    PrintFigure(figure, userspace, {.kernel = kernel});
  } else if (kernel) {
    PrintFigure(figure, userspace / *kernel);
  }
}

}  // namespace

void MeasureMapOperations(bool figures) {
  const int rounds = figures ? 100 : 200;
  Backend userspace("userspace");
  std::optional<Backend> kernel;
  if (OpenBackend("kernel")) kernel.emplace("kernel");
  if (!figures) fmt::print("{:<32} {:>10} {:>10} {:>7}\n", "ns in a program", "userspace", "kernel", "ratio");
  for (const Operation& operation : kMeasured) {
    if (!userspace.Add(operation) || (kernel && !kernel->Add(operation))) continue;
    Measured ours;
    Measured theirs;
    for (int round = 0; round < (operation.producers > 0 ? rounds / 10 : rounds); ++round) {
      userspace.Round(operation, &ours);
      if (kernel) kernel->Round(operation, &theirs);
    }
    Print(figures, operation, ours.net(), kernel ? std::optional(theirs.net()) : std::nullopt);
  }
}

}  // namespace strata::bench
