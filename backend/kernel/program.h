// A program in the kernel.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "context.h"
#include "strata/backend/backend.h"

namespace strata::kernel {

// The kernel's record as the seam's; `name` is the full one where we know it.
ProgramInfo MakeProgramInfo(const ProgramInfoRecord& record, std::string name);

class KernelProgram : public BackendProgram {
 public:
  static Result<std::shared_ptr<BackendProgram>> Load(const ContextPtr& context, const LinkedProgram& program);

  int fd() const { return fd_.get(); }
  const ProgramInfo& info() const override { return info_; }
  Result<ProgramStats> Stats() override;
  std::string_view log() const override { return log_; }

 private:
  KernelProgram(ContextPtr context, UniqueFd fd, ProgramInfo info, std::string log)
      : context_(std::move(context)), fd_(std::move(fd)), info_(std::move(info)), log_(std::move(log)) {}
  ContextPtr context_;
  UniqueFd fd_;
  ProgramInfo info_;
  std::string log_;
  // The kernel empties prog arrays and stops the timers of a map when no process has a handle of it, also while
  // programs use it.
  std::vector<std::shared_ptr<BackendMap>> maps_;
};

}  // namespace strata::kernel
