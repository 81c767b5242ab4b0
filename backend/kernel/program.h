// A program in the kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "context.h"
#include "feature_prober.h"
#include "strata/backend/backend.h"

namespace strata::kernel {

// The kernel's record as the seam's; `name` is the full one where we know it.
ProgramInfo MakeProgramInfo(const ProgramInfoRecord& record, std::string name);

// What the kernel knows of the program behind `fd`, the maps that it uses among it. Without a `name` it is the
// kernel's, or all of it from the program's BTF where the kernel cut it off.
Result<ProgramInfo> ReadProgramInfo(const Context& context, int fd, std::optional<std::string> name = std::nullopt);

// The BTF with that id, parsed.
Result<std::shared_ptr<const btf::Btf>> ReadTypesById(const Context& context, std::uint32_t id);

// " (sched_cls)": what programs a prog array takes, where the kernel tells.
std::string UsersOfProgramArray(int map_fd);

class KernelProgram : public BackendProgram {
 public:
  // `prober` explains a refusal.
  static Result<std::shared_ptr<BackendProgram>> Load(const ContextPtr& context, const LinkedProgram& program,
                                                      FeatureProber& prober);
  // Of a program that exists; kInvalidArgument for a descriptor of something else.
  static Result<std::shared_ptr<BackendProgram>> Adopt(const ContextPtr& context, UniqueFd fd);

  int fd() const { return fd_.get(); }
  // Of a program that was loaded here, read when it is first asked for: a load asks the kernel nothing more. From any
  // thread. Should the kernel refuse, what the load said: the name and the type.
  const ProgramInfo& info() const override;
  Result<ProgramStats> Stats() override;
  std::string_view log() const override { return log_; }
  Result<ProgramCode> Code() override;
  Result<std::uint64_t> MemoryBytes() override;
  Result<TestRunResult> TestRun(const TestRunOptions& options) override;
  Result<void> Pin(const std::string& path) override;

 private:
  KernelProgram(ContextPtr context, UniqueFd fd, std::string name, ProgramType type, std::string log)
      : context_(std::move(context)), fd_(std::move(fd)), name_(std::move(name)), type_(type), log_(std::move(log)) {}
  ContextPtr context_;
  UniqueFd fd_;
  std::string name_;
  ProgramType type_;
  mutable std::once_flag has_info_;
  mutable ProgramInfo info_;
  std::string log_;
  // The kernel empties prog arrays and stops the timers of a map when no process has a handle of it, also while
  // programs use it.
  std::vector<std::shared_ptr<BackendMap>> maps_;
};

}  // namespace strata::kernel
