#include "program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "attach_program.h"
#include "explain.h"
#include "map.h"
#include "types.h"

namespace strata::kernel {
namespace {

constexpr std::size_t kFirstLogSize = std::size_t{64} * 1024;  // bytes
constexpr std::uint32_t kFailureLogLevel = 1;                  // BPF_LOG_LEVEL1: branches
constexpr std::size_t kLargestLogSize = std::size_t{16} * 1024 * 1024;

// The kernel knows maps by descriptor: writes them into each ldimm64 that refers to one.
Result<std::vector<isa::Instruction>> WithMapDescriptors(const LinkedProgram& program) {
  auto code = program.instructions;
  for (const MapReference& reference : program.map_references) {
    const auto* map = dynamic_cast<const KernelMap*>(reference.map.get());
    if (map == nullptr || std::size_t{reference.index.value} + 1 >= code.size()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("program {}: instruction {}: refers to a map of another backend", program.name,
                               reference.index.value));
    }
    isa::Instruction& load = code[reference.index.value];
    load.src = static_cast<std::uint8_t>(reference.is_value ? isa::PseudoLoad::kMapValue : isa::PseudoLoad::kMapFd);
    load.imm = map->fd();
    if (reference.is_value) code[reference.index.value + 1].imm = static_cast<std::int32_t>(reference.value_offset);
  }
  return code;
}

constexpr int kLoadAttempts = 5;  // the kernel asks for another try (EAGAIN) when a signal is pending

ProgramLoadAttr LoadAttrOf(const LinkedProgram& program, const std::vector<isa::Instruction>& code) {
  ProgramLoadAttr attr;
  attr.prog_type = static_cast<std::uint32_t>(program.type);
  attr.insns = AddressOf(code.data());
  attr.insn_cnt = static_cast<std::uint32_t>(code.size());
  attr.license = AddressOf(program.license.c_str());
  attr.prog_name = ObjectName(program.name);
  if (program.attach_type != AttachType::kNone) {
    attr.expected_attach_type = static_cast<std::uint32_t>(program.attach_type);
  }
  attr.prog_flags = (program.is_sleepable ? program_flags::kSleepable : 0) |
                    (program.has_xdp_frags ? program_flags::kXdpHasFrags : 0);
  attr.attach_btf_id = program.attach_btf_id;
  if (const auto* hooked = dynamic_cast<const KernelProgram*>(program.attach_program.get())) {
    attr.attach_fd = static_cast<std::uint32_t>(hooked->fd());
  }
  attr.kern_version = program.kernel_version;
  const auto* types = dynamic_cast<const KernelTypes*>(program.types.get());
  if (types == nullptr || program.func_info.empty()) return attr;
  attr.prog_btf_fd = static_cast<std::uint32_t>(types->fd());
  attr.func_info = AddressOf(program.func_info.data());
  attr.func_info_rec_size = 8;
  attr.func_info_cnt = static_cast<std::uint32_t>(program.func_info.size() / 8);
  if (!program.line_info.empty()) {
    attr.line_info = AddressOf(program.line_info.data());
    attr.line_info_rec_size = 16;
    attr.line_info_cnt = static_cast<std::uint32_t>(program.line_info.size() / 16);
  }
  return attr;
}

// One BPF_PROG_LOAD. No log: null.
FdOrErrno LoadOnce(const Context& context, const LinkedProgram& program, const std::vector<isa::Instruction>& code,
                   std::vector<char>* log) {
  ProgramLoadAttr attr = LoadAttrOf(program, code);
  if (log != nullptr) {
    attr.log_level = program.log_level != 0 ? program.log_level : kFailureLogLevel;
    attr.log_buf = AddressOf(log->data());
    attr.log_size = static_cast<std::uint32_t>(log->size());
  }
  FdOrErrno loaded = context.Open(Command::kProgramLoad, attr);
  for (int attempt = 1; loaded.sys_errno == EAGAIN && attempt < kLoadAttempts; ++attempt) {
    loaded = context.Open(Command::kProgramLoad, attr);
  }
  return loaded;
}

struct LoadedWithLog {
  UniqueFd fd;
  std::string log;
};

// Loads with a growing log. The load that follows a failure may succeed (a signal had interrupted the first): then it
// counts.
Result<LoadedWithLog> LoadWithLog(const Context& context, const LinkedProgram& program,
                                  const std::vector<isa::Instruction>& code) {
  for (std::size_t size = kFirstLogSize;; size *= 4) {
    std::vector<char> log(size, '\0');
    FdOrErrno loaded = LoadOnce(context, program, code, &log);
    if (!loaded && loaded.sys_errno == ENOSPC && size < kLargestLogSize) continue;
    std::string text(log.data(), ::strnlen(log.data(), log.size()));
    if (loaded) return LoadedWithLog{std::move(loaded.fd), std::move(text)};
    std::string what = fmt::format("program {}: loading it", program.name);
    if (text.empty()) return BpfError(loaded.sys_errno, std::move(what));
    const std::string reason = ExplainRejection(text, program);
    return Error(ErrorCode::kVerifierRejected, fmt::format("{}: {}", what, reason), loaded.sys_errno)
        .WithLog(std::move(text));
  }
}

}  // namespace

ProgramInfo MakeProgramInfo(const ProgramInfoRecord& info, std::string name) {
  ProgramInfo result;
  result.id = info.id;
  result.name = std::move(name);
  result.type = static_cast<ProgramType>(info.type);
  result.instruction_count = info.xlated_prog_len / static_cast<std::uint32_t>(sizeof(isa::Instruction));
  result.tag = info.tag;
  return result;
}

Result<std::shared_ptr<BackendProgram>> KernelProgram::Load(const ContextPtr& context, const LinkedProgram& program) {
  if (program.attach_program != nullptr && program.attach_btf_id == 0) {
    return Load(context, STRATA_TRY(WithHookedFunction(*context, program)));
  }
  const auto code = STRATA_TRY(WithMapDescriptors(program));
  // Writing a log makes verifying slower, so the first try has none unless it was asked for.
  LoadedWithLog loaded;
  if (program.log_level == 0) {
    FdOrErrno silent = LoadOnce(*context, program, code, nullptr);
    if (silent.sys_errno == E2BIG && program.is_attach_type_optional && program.attach_type != AttachType::kNone) {
      // What a kernel without the field (before Linux 4.17) says of one that is not zero.
      LinkedProgram without = program;
      without.attach_type = AttachType::kNone;
      return Load(context, without);
    }
    loaded.fd = std::move(silent.fd);
  }
  if (!loaded.fd) loaded = STRATA_TRY(LoadWithLog(*context, program, code));
  ProgramInfoRecord record;
  if (const int error = context->Info(loaded.fd.get(), record); error != 0) {
    return BpfError(error, fmt::format("program {}: reading its info", program.name));
  }
  ProgramInfo info = MakeProgramInfo(record, program.name);
  return std::shared_ptr<BackendProgram>(
      new KernelProgram(context, std::move(loaded.fd), std::move(info), std::move(loaded.log)));
}

Result<ProgramStats> KernelProgram::Stats() {
  ProgramInfoRecord record;
  if (const int error = context_->Info(fd(), record); error != 0) {
    return BpfError(error, fmt::format("program {}: reading its statistics", info_.name));
  }
  return ProgramStats{record.run_cnt, record.run_time_ns, record.recursion_misses};
}

}  // namespace strata::kernel
