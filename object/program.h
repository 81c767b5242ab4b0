// A program that is loaded.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "strata/backend/backend.h"
#include "strata/base/result.h"
#include "strata/object/usdt_specs.h"
#include "strata/spec/program_spec.h"

namespace strata {

// Move-only; keeps its backend, and by it its maps, alive.
class STRATA_EXPORT Program {
 public:
  Program(std::shared_ptr<Backend> backend, std::shared_ptr<BackendProgram> program, ProgramSpec spec);
  Program(Program&&) = default;
  Program& operator=(Program&&) = default;

  const std::string& name() const { return spec_.name; }
  const ProgramSpec& spec() const { return spec_; }
  const ProgramInfo& info() const { return program_->info(); }
  // Counted while a guard of Backend::EnableStats() lives.
  Result<ProgramStats> Stats() const { return program_->Stats(); }
  // What the verifier said, where LoadOptions::log_level asked for it; empty on the userspace backend.
  std::string_view log() const { return program_->log(); }

  const std::shared_ptr<Backend>& backend() const { return backend_; }
  const std::shared_ptr<BackendProgram>& backend_program() const { return program_; }

  // Of the program's collection; null when its object does not include <bpf/usdt.bpf.h>.
  const std::shared_ptr<UsdtSpecs>& usdt_specs() const { return usdt_specs_; }
  void ShareUsdtSpecs(std::shared_ptr<UsdtSpecs> specs) { usdt_specs_ = std::move(specs); }

 private:
  std::shared_ptr<Backend> backend_;
  std::shared_ptr<BackendProgram> program_;
  ProgramSpec spec_;
  std::shared_ptr<UsdtSpecs> usdt_specs_;
};

}  // namespace strata
