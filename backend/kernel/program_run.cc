// BPF_PROG_TEST_RUN: a program run without an event.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "program.h"
#include "signal_block.h"
#include "strata/spec/type_names.h"

namespace strata::kernel {
namespace {

constexpr std::uint32_t kGrowth = 512;  // bytes that a packet may get longer by: more than XDP's headroom
constexpr int kMostRestarts = 100;

// The kernel writes the argument of a syscall program back to where it came from, and takes no room for output; of raw
// tracepoint programs it takes arguments alone.
enum class ContextFlow : std::uint8_t { kInAndOut, kInPlace, kIn };
ContextFlow ContextFlowOf(ProgramType type) {
  if (type == ProgramType::kSyscall) return ContextFlow::kInPlace;
  if (type == ProgramType::kRawTracepoint || type == ProgramType::kTracing) return ContextFlow::kIn;
  return ContextFlow::kInAndOut;
}

// The arguments of one call with the memory that they refer to.
class Run {
 public:
  Run(int fd, ProgramType type, const TestRunOptions& options)
      : options_(options), flow_(ContextFlowOf(type)), context_(options.context_in.begin(), options.context_in.end()) {
    attr_.prog_fd = static_cast<std::uint32_t>(fd);
    attr_.repeat = options.repeat;
    attr_.flags = options.flags;
    attr_.cpu = options.cpu;
    attr_.batch_size = options.batch_size;
    SetData();
    SetContext();
  }

  TestRunAttr& attr() { return attr_; }
  std::size_t room() const { return data_.size(); }

  TestRunResult Finish() && {
    TestRunResult result{attr_.retval, std::chrono::nanoseconds(attr_.duration), {}, {}};
    data_.resize(std::min<std::size_t>(attr_.data_size_out, data_.size()));
    result.data_out = std::move(data_);
    if (flow_ == ContextFlow::kInAndOut) context_.resize(std::min<std::size_t>(attr_.ctx_size_out, context_.size()));
    if (flow_ != ContextFlow::kIn) result.context_out = std::move(context_);
    return result;
  }

 private:
  void SetData() {
    const auto size = static_cast<std::uint32_t>(options_.data_in.size());
    if (size == 0) return;
    attr_.data_in = AddressOf(options_.data_in.data());
    attr_.data_size_in = size;
    if ((options_.flags & test_run_flags::kXdpLiveFrames) != 0) return;  // they are gone
    data_.resize(options_.data_out_bytes != 0 ? options_.data_out_bytes : size + kGrowth);
    attr_.data_out = AddressOf(data_.data());
    attr_.data_size_out = static_cast<std::uint32_t>(data_.size());
  }

  void SetContext() {
    if (context_.empty()) return;
    attr_.ctx_in = AddressOf(context_.data());
    attr_.ctx_size_in = static_cast<std::uint32_t>(context_.size());
    if (flow_ != ContextFlow::kInAndOut || (options_.flags & test_run_flags::kXdpLiveFrames) != 0) return;
    attr_.ctx_out = attr_.ctx_in;  // read before it is written
    attr_.ctx_size_out = attr_.ctx_size_in;
  }

  const TestRunOptions& options_;
  ContextFlow flow_;
  std::vector<std::byte> context_;
  std::vector<std::byte> data_;
  TestRunAttr attr_;
};

Error RunError(const ProgramInfo& info, const TestRunOptions& options, const Run& run, TestRunAttr attr, int error) {
  const std::string what = fmt::format("program {}: running it", info.name);
  if (error == 524 || error == EOPNOTSUPP) {
    return Error(ErrorCode::kNotSupported,
                 fmt::format("{}: this kernel cannot run programs of type {} without an event", what,
                             ProgramTypeName(info.type)),
                 error);
  }
  if (error == ENOSPC) {
    return Error(ErrorCode::kNoSpace,
                 fmt::format("{}: it left {} bytes of data, and there was room for {} (TestRunOptions::data_out_bytes)",
                             what, attr.data_size_out, run.room()),
                 error);
  }
  if (error == EINVAL) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: {} bytes of data, {} bytes of context and flags {:#x} do not suit programs of type {}", what,
                    options.data_in.size(), options.context_in.size(), options.flags, ProgramTypeName(info.type)),
        error);
  }
  return BpfError(error, what);
}

}  // namespace

Result<TestRunResult> KernelProgram::TestRun(const TestRunOptions& options) {
  for (int restarts = 0;; ++restarts) {
    Run run(fd(), type_, options);
    const int error = [&] {
      const ProfilerSignalBlocked blocked;
      return static_cast<int>(-context_->Bpf(Command::kProgramTestRun, run.attr()));
    }();
    // Kernels before 5.11 look for a signal after the last run, too.
    const bool is_done = error == 0 || (error == EINTR && options.repeat <= 1);
    if (is_done) return std::move(run).Finish();
    if (error != EINTR || restarts == kMostRestarts) return RunError(info(), options, run, run.attr(), error);
    if (options.on_restart) options.on_restart();
  }
}

}  // namespace strata::kernel
