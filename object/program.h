// A program that is loaded.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/backend/backend.h"
#include "strata/base/result.h"
#include "strata/isa/tag.h"
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
  // Whether any of its links runs it; kNotSupported in the kernel, where each link is disabled by itself.
  Result<void> SetEnabled(bool is_enabled) { return backend_->SetProgramEnabled(info().id, is_enabled); }
  // Counted while a guard of Backend::EnableStats() lives.
  Result<ProgramStats> Stats() const { return program_->Stats(); }
  // What the verifier said, where LoadOptions::log_level asked for it; empty on the userspace backend.
  std::string_view log() const { return program_->log(); }

  // Another handle for the same program.
  Program Clone() const;

  // Not in reach of every backend: kNotSupported.
  // As the verifier rewrote it, and as machine code, with names and source lines where it has BTF.
  Result<ProgramCode> Code() const { return program_->Code(); }
  Result<std::vector<isa::Instruction>> TranslatedInstructions() const;
  Result<std::uint64_t> MemoryBytes() const { return program_->MemoryBytes(); }
  // Keeps the program when this object and this process are gone; a path of Backend::PinPath.
  Result<void> Pin(const std::string& path) { return program_->Pin(path); }

  // Runs the program without an event, on this thread or CPU. What may be given depends on its type
  // (docs/programs.md). kNotSupported for types that cannot be run so, kInvalidArgument for input that does not suit
  // the type, kNoSpace where data_out has no room. Any thread.
  Result<TestRunResult> TestRun(const TestRunOptions& options = {}) const { return program_->TestRun(options); }
  // The mean duration of one of `runs` runs.
  Result<std::chrono::nanoseconds> Benchmark(std::uint32_t runs, TestRunOptions options = {}) const;

  // kInvalidArgument with both tags where the loaded program has another one; TagOf(LinkedProgram) and info().tag make
  // them.
  Result<void> CheckTag(const isa::Tag& expected) const;

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

// A program that exists already, whoever made it. Its spec has its name and type. kNotFound, kNotSupported;
// kInvalidArgument for a path of something else than a program.
STRATA_EXPORT Result<Program> OpenProgram(const std::shared_ptr<Backend>& backend, std::uint32_t id);
STRATA_EXPORT Result<Program> OpenPinnedProgram(const std::shared_ptr<Backend>& backend, const std::string& path);

}  // namespace strata
