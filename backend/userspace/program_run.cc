// Runs of a program without an event, in the caller's own process (BPF_PROG_TEST_RUN).
#include <fmt/format.h>
#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <cerrno>

#include "link_stats.h"
#include "objects.h"
#include "strata/spec/type_names.h"

namespace strata::userspace {
namespace {

// A context of any type fits: struct pt_regs, the arguments of a raw tracepoint, ...
constexpr std::size_t kSmallestContext = 1024;

std::uint64_t NowNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

Result<void> CheckOptions(const ProgramInfo& info, const TestRunOptions& options) {
  if (!options.data_in.empty()) {
    return Error(ErrorCode::kNotSupported,
                 fmt::format("program {}: packets for a program of type {}: not on the userspace backend", info.name,
                             ProgramTypeName(info.type)));
  }
  if (options.flags != 0) {
    return Error(ErrorCode::kNotSupported,
                 fmt::format("program {}: flags of test runs: not on the userspace backend", info.name));
  }
  return {};
}

// Runs without a link, added to the program's totals in the end while somebody wants runs counted.
class RunCounter {
 public:
  RunCounter(const Session& session, int program_fd) : flags_(StatsFlags(session)), program_fd_(program_fd) {}
  ~RunCounter() {
    if (flags_ != 0) AddRuns(program_fd_, counts_);
  }
  RunCounter(const RunCounter&) = delete;
  RunCounter& operator=(const RunCounter&) = delete;

  std::uint64_t Start() const { return (flags_ & runtime::link_flags::kTimed) != 0 ? __rdtsc() : 0; }
  void Count(bool is_missed, std::uint64_t start_ticks) {
    if (is_missed) {
      ++counts_.missed_count;
      return;
    }
    ++counts_.run_count;
    counts_.run_ticks += Start() - start_ticks;
  }

 private:
  std::uint32_t flags_;
  int program_fd_;
  runtime::LinkCounters counts_{};
};

}  // namespace

Result<runtime::ProgramInstance*> UserspaceProgram::Instance() {
  const std::lock_guard lock(shared_->session->mutex());
  if (instance_ != nullptr) return instance_;
  runtime::Reason reason;
  const long error = runtime::InstantiateProgram(shared_->session->process(), shared_->session->folder_fd(), info_.id,
                                                 &instance_, &reason);
  if (error == 0) return instance_;
  return Error::FromErrno(static_cast<int>(-error), static_cast<const char*>(reason.text));
}

void UserspaceProgram::ReleaseInstance() {
  const std::lock_guard lock(shared_->session->mutex());
  if (instance_ != nullptr) runtime::ReleaseProgram(instance_);
}

Result<TestRunResult> UserspaceProgram::TestRun(const TestRunOptions& options) {
  STRATA_TRY(CheckOptions(info_, options));
  const runtime::ProgramInstance* instance = STRATA_TRY(Instance());
  const std::shared_lock is_running(shared_->runs);
  std::vector<std::byte> context(std::max(options.context_in.size(), kSmallestContext));
  const std::uint32_t runs = std::max(1U, options.repeat);
  TestRunResult result;
  std::copy(options.context_in.begin(), options.context_in.end(), context.begin());
  const std::uint64_t start_ns = NowNs();
  RunCounter counter(*shared_->session, object_->file.fd.get());
  for (std::uint32_t i = 0; i < runs; ++i) {
    runtime::RunContext run;
    run.context = context.data();
    run.event = runtime::ProbeEvent::kEntry;
    const std::uint64_t start_ticks = counter.Start();
    result.return_value = static_cast<std::uint32_t>(runtime::RunProgram(*instance, run));
    const bool is_missed = (run.flags & runtime::run_flags::kMissed) != 0;
    counter.Count(is_missed, start_ticks);
    if (is_missed) {
      return Error(
          ErrorCode::kBusy,
          fmt::format("program {}: a per-CPU slot of the session or a lock was not to be had in time", info_.name),
          EBUSY);
    }
  }
  result.duration = std::chrono::nanoseconds((NowNs() - start_ns) / runs);
  context.resize(options.context_in.size());
  result.context_out = std::move(context);
  return result;
}

}  // namespace strata::userspace
