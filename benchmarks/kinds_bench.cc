// What an operation of a map kind costs in a program, on both backends in the same run, net of the loop. Kinds that
// programs of packets cannot use; map_bench has the others, object_bench tail calls.
//   perf_output      64 bytes, read between the rounds
//   task_storage     the calling thread's value; cgroup_storage: that of its cgroup
//   cgroup_array     whether the caller is below a cgroup
//   user_ring        a record of 64 bytes, by bpf_user_ringbuf_drain
//   stack_trace      the id of a stack that the map has already, a frame of it
//   arena_words      a word loaded, changed and stored; arena_list: one step along a list, with a load. Built where
//                    there is a clang of version 19 or later
// The least of all rounds counts, because noise only adds. Needs the right to use bpf(2).
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>

#include "figures.h"
#include "strata/object/user_ring_writer.h"
#include "strata/strata.h"

long CallAtDepth(long depth);  // stack_chain.cc

namespace {

constexpr std::uint64_t kCalls = 1000;  // CALLS in kinds_bench.bpf.c and arena_bench.bpf.c
constexpr long kDepth = 24;
constexpr const char* kCgroupRoots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

std::string CgroupRoot() {
  for (const char* root : kCgroupRoots) {
    if (std::filesystem::exists(std::filesystem::path(root) / "cgroup.controllers")) return root;
  }
  return {};
}

struct Operation {
  const char* program;
  const char* figure;  // in nanoseconds, or ours to the kernel's
  bool is_ratio;
  const char* without = "nothing";  // the same but for the operation
};
constexpr Operation kOperations[] = {
    {"perf_output", "perf.output", false},
    {"task_storage", "map.task_storage_get", true},
    {"cgroup_storage", "map.cgroup_storage_get", true},
    {"cgroup_array", "map.cgroup_array_test", true},
    {"user_ring", "map.user_ring_drain", true, nullptr},
    {"stack_trace", "map.stack_trace_id_of_a_frame", true, nullptr},
    {"arena_words", "map.arena_word", true, nullptr},
    {"arena_list", "map.arena_list_step", true, nullptr},
};

class Side {
 public:
  explicit Side(const char* backend)
      : backend_(strata::OpenBackend(backend, {.session = fmt::format("bench-{}", ::getpid()),
                                               .runtime_folder = {},
                                               .agent_path = {},
                                               .handle_fault_signals = true})
                     .value()),
        objects_(strata::LoadCollection(backend_, std::string(STRATA_BPF_KINDS_BENCH)).value()),
        reader_(strata::PerfReader::Open(Map("samples"), {.size_bytes = 1 << 20}).value()),
        writer_(strata::UserRingWriter::Open(Map("requests")).value()) {
#ifdef STRATA_BPF_ARENA_BENCH
    arena_objects_.emplace(strata::LoadCollection(backend_, std::string(STRATA_BPF_ARENA_BENCH)).value());
#endif
    if (CgroupRoot().empty()) return;
    const strata::UniqueFd root(::open(CgroupRoot().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::uint32_t index = 0;
    const int descriptor = root.get();
    Map("cgroups")
        .backend_map()
        ->Update(std::as_bytes(std::span(&index, 1)), std::as_bytes(std::span(&descriptor, 1)),
                 strata::UpdateMode::kAny)
        .value();
  }

  bool Has(const Operation& operation) {
    const std::string_view program = operation.program;
    if (program.starts_with("arena")) return arena_objects_.has_value();
    return !program.starts_with("cgroup") || !CgroupRoot().empty();
  }

  double Net(const Operation& operation, int rounds) {
    double with = std::numeric_limits<double>::max();
    double without = operation.without == nullptr ? 0 : with;
    for (int round = 0; round < rounds; ++round) {
      with = std::min(with, Once(operation.program));
      if (operation.without != nullptr) without = std::min(without, Once(operation.without));
    }
    return with - without;
  }

  std::uint64_t frame_count() { return Value(objects_, "frame_count"); }

 private:
  strata::Map& Map(const char* name) { return *objects_.FindMap(name).value(); }
  static std::uint64_t Value(strata::Collection& objects, const char* name) {
    return objects.FindVariable(name).value().Get<std::uint64_t>().value();
  }

  // Nanoseconds of one operation; of a frame, where it is stack_trace.
  double Once(std::string_view program) {
    strata::Collection& objects = program.starts_with("arena") ? *arena_objects_ : objects_;
    std::uint64_t pieces = kCalls;
    objects.FindVariable("done").value().Set(std::uint64_t{0}).value();
    if (program == "stack_trace") {
      const auto self = strata::OpenExecutable("/proc/self/exe").value();
      const auto probe =
          self.AttachUprobe("strata_bench_stack_leaf", *objects.FindProgram(program).value(), {.pid = ::getpid()})
              .value();
      CallAtDepth(kDepth);
      pieces = kCalls * frame_count();
    } else {
      if (program == "user_ring") Fill();
      objects.FindProgram(program).value()->TestRun().value();
    }
    reader_.Consume([](std::uint32_t, std::span<const std::byte>) { return true; }).value();
    if (const std::uint64_t done = Value(objects, "done"); done != kCalls)
      throw std::runtime_error(fmt::format("{}: {} of {} operations succeeded", program, done, kCalls));
    return static_cast<double>(Value(objects, "elapsed_ns")) / static_cast<double>(pieces);
  }

  void Fill() {
    constexpr std::array<std::byte, 64> kRecord{};
    for (std::uint64_t i = 0; i < kCalls; ++i) writer_.Write(kRecord).value();
  }

  std::shared_ptr<strata::Backend> backend_;
  strata::Collection objects_;
  std::optional<strata::Collection> arena_objects_;
  strata::PerfReader reader_;
  strata::UserRingWriter writer_;
};

int Run(bool figures) {
  const int rounds = figures ? 100 : 400;
  Side kernel("kernel");
  Side userspace("userspace");
  if (!figures) fmt::print("{:<20} {:>10} {:>10} {:>7}\n", "ns", "userspace", "kernel", "ratio");
  for (const Operation& operation : kOperations) {
    if (!kernel.Has(operation)) continue;
    const double ours = userspace.Net(operation, rounds);
    const double theirs = kernel.Net(operation, rounds);
    if (!figures) {
      fmt::print("{:<20} {:>10.2f} {:>10.2f} {:>7.2f}\n", operation.program, ours, theirs, ours / theirs);
    } else if (operation.is_ratio) {
      strata::bench::PrintFigure(operation.figure, ours / theirs);
    } else {
      strata::bench::PrintFigure(operation.figure, ours, {.kernel = theirs});
    }
  }
  if (!figures) fmt::print("frames: {}, kernel {}\n", userspace.frame_count(), kernel.frame_count());
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return strata::bench::RunMain(argc, argv, Run); }
