#include "strata/object/program.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace strata {
namespace {

Program AsProgram(const std::shared_ptr<Backend>& backend, std::shared_ptr<BackendProgram> program) {
  ProgramSpec spec;
  spec.name = program->info().name;
  spec.type_of_program = program->info().type;
  return Program(backend, std::move(program), std::move(spec));
}

std::string TagText(const isa::Tag& tag) { return fmt::format("{:02x}", fmt::join(tag, "")); }

}  // namespace

Program::Program(std::shared_ptr<Backend> backend, std::shared_ptr<BackendProgram> program, ProgramSpec spec)
    : backend_(std::move(backend)), program_(std::move(program)), spec_(std::move(spec)) {}

Program Program::Clone() const { return Program(backend_, program_, spec_); }

Result<std::vector<isa::Instruction>> Program::TranslatedInstructions() const {
  ProgramCode code = STRATA_TRY(Code());
  if (code.instructions.empty()) {
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("program {}: the kernel hides its code: that takes CAP_BPF and CAP_PERFMON, and "
                             "net.core.bpf_jit_harden at most 1",
                             name()));
  }
  return std::move(code.instructions);
}

Result<std::chrono::nanoseconds> Program::Benchmark(std::uint32_t runs, TestRunOptions options) const {
  options.repeat = std::max(runs, 1U);
  const TestRunResult result = STRATA_TRY(TestRun(options));
  return result.duration;
}

Result<void> Program::CheckTag(const isa::Tag& expected) const {
  if (info().tag == expected) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("program {}: has the tag {}, expected {}", name(), TagText(info().tag), TagText(expected)));
}

Result<Program> OpenProgram(const std::shared_ptr<Backend>& backend, std::uint32_t id) {
  return AsProgram(backend, STRATA_TRY(backend->OpenProgram(id)));
}

Result<Program> OpenPinnedProgram(const std::shared_ptr<Backend>& backend, const std::string& path) {
  return AsProgram(backend, STRATA_TRY(backend->OpenPinnedProgram(path)));
}

}  // namespace strata
