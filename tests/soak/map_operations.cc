#include "map_operations.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>

namespace strata::test {
namespace {

constexpr std::uint32_t kValueSize = 8;

enum class Operation : std::uint32_t { kLookup, kUpdate, kDelete, kPush, kPop, kPeek, kTake };
constexpr const char* kNames[] = {"lookup", "update", "delete", "push", "pop", "peek", "take"};

// struct request in map_operations.bpf.c.
struct Request {
  std::uint32_t operation = 0;
  std::uint32_t reserved = 0;
  std::uint64_t flags = 0;
  std::array<std::uint64_t, 4> key{};
  std::array<std::uint64_t, 4> value{};
  std::int64_t result = 0;
};

struct Step {
  Operation operation = Operation::kLookup;
  bool by_program = false;
  std::uint64_t flags = 0;
  std::array<std::uint64_t, 4> key{};
  std::uint64_t value = 0;
};

struct Outcome {
  std::int64_t result = 0;  // found, or a negative errno
  std::vector<std::uint64_t> values;
  bool operator==(const Outcome&) const = default;
};

bool IsKeyless(MapType type) {
  return type == MapType::kQueue || type == MapType::kStack || type == MapType::kBloomFilter;
}

class Side {
 public:
  Side(std::string_view backend, const MapOperationsKind& kind) : kind_(kind), is_kernel_(backend == "kernel") {
    backend_ =
        OpenBackend(backend, {.session = fmt::format("soak-{}", ::getpid()), .runtime_folder = {}, .agent_path = {}})
            .value();
    CollectionSpec spec = LoadCollectionSpec(STRATA_BPF_MAP_OPERATIONS).value();
    MapSpec& target = spec.maps["target"];
    target.type = kind.type;
    target.key_size = IsKeyless(kind.type) ? 0 : kind.key_size;
    target.value_size = kValueSize;
    target.max_entries = kind.max_entries;
    target.flags = kind.flags;
    LoadOptions options;
    options.programs = {kind.type == MapType::kBloomFilter ? "member" : IsKeyless(kind.type) ? "keyless" : "keyed"};
    objects_.emplace(LoadCollection(backend_, std::move(spec), options).value());
    map_ = objects_->FindMap("target").value();
    program_ = objects_->FindProgram(options.programs.front()).value();
    request_.emplace(objects_->FindVariable("request").value());
  }

  Outcome Apply(const Step& step) { return step.by_program ? ApplyByProgram(step) : ApplyByUser(step); }

  // Every element, by key.
  std::map<std::string, std::string> Content() const {
    std::map<std::string, std::string> content;
    const auto text = [](std::span<const std::byte> bytes) {
      return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    if (IsKeyless(kind_.type)) return content;
    map_->ForEach([&](std::span<const std::byte> key, std::span<const std::byte> value) {
          content[text(key)] = text(value);
          return true;
        })
        .value();
    return content;
  }

 private:
  Outcome ApplyByProgram(const Step& step) {
    constexpr std::array<std::byte, 64> kPacket{};
    Request request{.operation = static_cast<std::uint32_t>(step.operation), .flags = step.flags, .key = step.key};
    request.value[0] = step.value;
    request_->Set(request).value();
    TestRunOptions options;
    if (is_kernel_) options.data_in = kPacket;
    program_->TestRun(options).value();
    const Request after = request_->Get<Request>().value();
    return {after.result, {after.value[0]}};
  }

  Outcome ApplyByUser(const Step& step) {
    const std::span<const std::byte> key =
        std::as_bytes(std::span(step.key)).subspan(0, IsKeyless(kind_.type) ? 0 : kind_.key_size);
    const std::size_t values = map_->info().element_size / kValueSize;
    std::vector<std::uint64_t> value(values, step.value);
    for (std::size_t i = 0; i < values; ++i) value[i] += i;
    const auto bytes = std::as_writable_bytes(std::span(value));
    const auto found = [&](const Result<bool>& result) {
      return Outcome{result ? std::int64_t{*result} : -result.error().sys_errno(),
                     result && *result ? value : std::vector<std::uint64_t>{}};
    };
    switch (step.operation) {
      case Operation::kUpdate:
      case Operation::kPush: {
        const auto result = map_->Update(key, bytes, static_cast<UpdateMode>(step.flags));
        return {result ? 0 : -result.error().sys_errno(), {}};
      }
      case Operation::kDelete: {
        const auto result = map_->Delete(key);
        return {result ? std::int64_t{*result} : -result.error().sys_errno(), {}};
      }
      case Operation::kTake:
      case Operation::kPop:
        return found(map_->LookupAndDelete(key, bytes));
      case Operation::kLookup:
      case Operation::kPeek:
        return found(map_->Lookup(key, bytes));
    }
    return {};
  }

  MapOperationsKind kind_;
  bool is_kernel_;
  std::shared_ptr<Backend> backend_;
  std::optional<Collection> objects_;
  Map* map_ = nullptr;
  const Program* program_ = nullptr;
  std::optional<Variable> request_;
};

class StepMaker {
 public:
  StepMaker(const MapOperationsKind& kind, std::uint64_t seed) : kind_(kind), random_(seed) {}

  Step Next() {
    Step step;
    step.by_program = Below(2) == 0;
    step.operation = IsKeyless(kind_.type) ? Keyless(step.by_program) : Keyed(step.by_program);
    const bool writes = step.operation == Operation::kUpdate || step.operation == Operation::kPush;
    if (writes) step.flags = Below(4) == 0 ? Below(6) : 0;  // also ones that there are not
    step.key = Key();
    step.value = kind_.type == MapType::kBloomFilter ? Below(kind_.key_count) : random_();
    return step;
  }

 private:
  std::uint64_t Below(std::uint64_t bound) { return random_() % bound; }

  Operation Keyed(bool by_program) {
    constexpr Operation kOfAll[] = {Operation::kUpdate, Operation::kUpdate, Operation::kLookup, Operation::kDelete};
    if (!by_program && Below(8) == 0) return Operation::kTake;
    return kOfAll[Below(std::size(kOfAll))];
  }

  Operation Keyless(bool by_program) {
    if (kind_.type == MapType::kBloomFilter) return Member(by_program);
    constexpr Operation kOfAll[] = {Operation::kPush, Operation::kPush, Operation::kPop, Operation::kPeek};
    return kOfAll[Below(std::size(kOfAll))];
  }

  Operation Member(bool by_program) {
    constexpr Operation kOfUser[] = {Operation::kPush, Operation::kPeek, Operation::kDelete, Operation::kTake};
    return kOfUser[Below(by_program ? 2 : std::size(kOfUser))];
  }

  std::array<std::uint64_t, 4> Key() {
    const std::uint64_t number = Below(kind_.key_count);
    if (kind_.prefix_bits == 0) return {number, number * 7, number * 11, number * 13};
    const auto bits = static_cast<std::uint32_t>(Below(kind_.prefix_bits + 1));
    const auto data = static_cast<std::uint32_t>(number * 0x01010101U);
    return {bits | std::uint64_t{data} << 32, 0, 0, 0};
  }

  MapOperationsKind kind_;
  std::mt19937_64 random_;
};

std::string Describe(const Step& step, std::uint64_t number, const Outcome& kernel, const Outcome& userspace) {
  return fmt::format("operation {}: {} by {}, key {:#x}, flags {}: kernel {} {}, userspace {} {}", number,
                     kNames[static_cast<std::size_t>(step.operation)], step.by_program ? "a program" : "user space",
                     step.key[0], step.flags, kernel.result, kernel.values, userspace.result, userspace.values);
}

}  // namespace

const std::vector<MapOperationsKind>& ComparedKinds() {
  static const std::vector<MapOperationsKind> kinds = {
      {"array", MapType::kArray, 4, 24, 30},
      {"percpu_array", MapType::kPerCpuArray, 4, 24, 30},
      {"hash", MapType::kHash, 8, 40, 60},
      {"hash_of_small_keys", MapType::kHash, 4, 40, 60},
      {"hash_of_large_keys", MapType::kHash, 29, 40, 60},
      {"hash_without_preallocation", MapType::kHash, 8, 40, 60, map_flags::kNoPrealloc},
      {"percpu_hash", MapType::kPerCpuHash, 8, 40, 60},
      {"lru_hash", MapType::kLruHash, 8, 1024, 60},
      {"lru_percpu_hash", MapType::kLruPerCpuHash, 8, 1024, 60},
      {"lpm_trie", MapType::kLpmTrie, 8, 40, 256, map_flags::kNoPrealloc, 32},
      {"queue", MapType::kQueue, 0, 10, 1},
      {"stack", MapType::kStack, 0, 10, 1},
      {"bloom_filter", MapType::kBloomFilter, 0, 65536, 500},  // so large that none is taken for a member
  };
  return kinds;
}

bool IsCompared(const MapOperationsKind& kind) {
  MapSpec spec;
  spec.name = "probe";
  spec.type = kind.type;
  spec.key_size = kind.key_size;
  spec.value_size = kValueSize;
  spec.max_entries = kind.max_entries;
  spec.flags = kind.flags;
  const auto backend =
      OpenBackend("userspace", {.session = fmt::format("soak-{}", ::getpid()), .runtime_folder = {}, .agent_path = {}})
          .value();
  return static_cast<bool>(backend->CreateMap(spec, nullptr));
}

std::string CompareMaps(const MapOperationsKind& kind, std::uint64_t operations, std::uint64_t seed) {
  Side kernel("kernel", kind);
  Side userspace("userspace", kind);
  StepMaker maker(kind, seed);
  for (std::uint64_t i = 0; i < operations; ++i) {
    const Step step = maker.Next();
    const Outcome expected = kernel.Apply(step);
    const Outcome actual = userspace.Apply(step);
    if (expected != actual) return Describe(step, i, expected, actual);
  }
  return kernel.Content() == userspace.Content() ? "" : "the contents differ at the end";
}

}  // namespace strata::test
