// Nanoseconds of one helper call in a program, net of the loop around it, on both backends in one run:
//   probe_read, probe_read_64   8 and 64 bytes of this process, read by a guarded copy
//   probe_read_str              a string of 30 characters
//   task_pid, task_parent       one and two reads through bpf_get_current_task
//   current_task, ktime, pid_tgid, uid_gid, comm, prandom
// The least of all rounds counts, because noise only adds.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>

#include "figures.h"
#include "strata/strata.h"

namespace {

constexpr double kCalls = 1000;  // in helper_bench.bpf.c
constexpr char kText[] = "a string of thirty characters.\0and what comes behind it, as read by the longest copy";

class Bench {
 public:
  Bench(const char* backend_name, bool handle_fault_signals)
      : backend_(strata::OpenBackend(backend_name, {.session = fmt::format("bench-{}", ::getpid()),
                                                    .runtime_folder = {},
                                                    .agent_path = {},
                                                    .handle_fault_signals = handle_fault_signals})
                     .value()),
        objects_(strata::LoadCollection(backend_, std::string(STRATA_BPF_HELPER_BENCH)).value()) {
    objects_.FindVariable("source").value().Set(reinterpret_cast<std::uint64_t>(kText)).value();
  }

  double Net(const char* program, int rounds) { return (Least(program, rounds) - Least("nothing", rounds)) / kCalls; }

 private:
  double Least(const char* name, int rounds) {
    strata::Program& program = *objects_.FindProgram(name).value();
    strata::Variable elapsed = objects_.FindVariable("elapsed_ns").value();
    double least = std::numeric_limits<double>::max();
    for (int round = 0; round < rounds; ++round) {
      program.TestRun({}).value();
      least = std::min(least, static_cast<double>(elapsed.Get<std::uint64_t>().value()));
    }
    return least;
  }

  std::shared_ptr<strata::Backend> backend_;
  strata::Collection objects_;
};

struct Row {
  const char* program;
  const char* figure;  // in nanoseconds, and with ".over_kernel" as a ratio; null for none
};
constexpr Row kRows[] = {
    {"probe_read", "helper.probe_read.guarded"},
    {"probe_read_64", nullptr},
    {"probe_read_str", "helper.probe_read_str.guarded"},
    {"ktime", "helper.ktime"},
    {"pid_tgid", "helper.pid_tgid"},
    {"uid_gid", "helper.uid_gid"},
    {"comm", "helper.comm"},
    {"prandom", "helper.prandom"},
    {"current_task", "helper.current_task"},
    {"task_pid", "helper.task_pid"},
    {"task_parent", nullptr},
};

void Print(const char* name, double userspace, std::optional<double> kernel) {
  if (kernel) {
    fmt::print("{:<28} {:>10.2f} {:>10.2f} {:>7.2f}\n", name, userspace, *kernel, userspace / *kernel);
  } else {
    fmt::print("{:<28} {:>10.2f} {:>10}\n", name, userspace, "-");
  }
}

void PrintFigures(const Row& row, double userspace, std::optional<double> kernel) {
  if (row.figure == nullptr) return;
  if (std::string_view(row.figure) == "helper.probe_read.guarded")
    strata::bench::PrintFigure(row.figure, userspace, {.kernel = kernel});
  if (kernel) strata::bench::PrintFigure(fmt::format("{}.over_kernel", row.figure), userspace / *kernel);
}

int Run(bool figures) {
  const int rounds = figures ? 200 : 1000;
  Bench userspace("userspace", true);
  std::optional<Bench> kernel;
  if (strata::OpenBackend("kernel")) kernel.emplace("kernel", false);
  if (!figures) fmt::print("{:<28} {:>10} {:>10} {:>7}\n", "ns a call", "userspace", "kernel", "ratio");
  for (const Row& row : kRows) {
    const double ours = userspace.Net(row.program, rounds);
    std::optional<double> theirs;
    if (kernel) theirs = kernel->Net(row.program, rounds);
    if (figures) {
      PrintFigures(row, ours, theirs);
    } else {
      Print(row.program, ours, theirs);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return strata::bench::RunMain(argc, argv, Run); }
