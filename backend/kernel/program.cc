#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "explain.h"
#include "objects.h"

namespace strata::kernel {
namespace {

constexpr std::uint32_t kSleepableFlag = 1U << 4;              // BPF_F_SLEEPABLE
constexpr std::uint32_t kXdpFragsFlag = 1U << 5;               // BPF_F_XDP_HAS_FRAGS
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

// One BPF_PROG_LOAD. An empty log asks for none.
int Load(const LinkedProgram& program, const std::vector<isa::Instruction>& code, std::vector<char>* log) {
  auto options = EmptyOptions<bpf_prog_load_opts>();
  options.expected_attach_type = static_cast<bpf_attach_type>(
      program.attach_type == AttachType::kNone ? 0 : static_cast<std::uint32_t>(program.attach_type));
  options.prog_flags = (program.is_sleepable ? kSleepableFlag : 0) | (program.has_xdp_frags ? kXdpFragsFlag : 0);
  options.attach_btf_id = program.attach_btf_id;
  options.kern_version = program.kernel_version;
  options.attempts = 5;  // the kernel asks for another try (EAGAIN) when a signal is pending
  if (const auto* types = dynamic_cast<const KernelTypes*>(program.types.get());
      types != nullptr && !program.func_info.empty()) {
    options.prog_btf_fd = static_cast<__u32>(types->fd());
    options.func_info = program.func_info.data();
    options.func_info_rec_size = 8;
    options.func_info_cnt = static_cast<__u32>(program.func_info.size() / 8);
    if (!program.line_info.empty()) {
      options.line_info = program.line_info.data();
      options.line_info_rec_size = 16;
      options.line_info_cnt = static_cast<__u32>(program.line_info.size() / 16);
    }
  }
  if (log != nullptr) {
    options.log_level = program.log_level != 0 ? program.log_level : kFailureLogLevel;
    options.log_buf = log->data();
    options.log_size = static_cast<__u32>(log->size());
  }
  const std::string name = ObjectName(program.name);
  return ::bpf_prog_load(static_cast<bpf_prog_type>(program.type), name.c_str(), program.license.c_str(),
                         reinterpret_cast<const bpf_insn*>(code.data()), code.size(), &options);
}

struct LoadedWithLog {
  UniqueFd fd;
  std::string log;
};

// Loads with a growing log. The load that follows a failure may succeed (a signal had interrupted the first): then it
// counts.
Result<LoadedWithLog> LoadWithLog(const LinkedProgram& program, const std::vector<isa::Instruction>& code) {
  for (std::size_t size = kFirstLogSize;; size *= 4) {
    std::vector<char> log(size, '\0');
    UniqueFd fd(Load(program, code, &log));
    const int load_errno = errno;
    if (!fd && load_errno == ENOSPC && size < kLargestLogSize) continue;
    std::string text(log.data(), ::strnlen(log.data(), log.size()));
    if (fd) return LoadedWithLog{std::move(fd), std::move(text)};
    std::string what = fmt::format("program {}: loading it", program.name);
    if (text.empty()) return BpfError(load_errno, std::move(what));
    const std::string reason = ExplainRejection(text, program);
    return Error(ErrorCode::kVerifierRejected, fmt::format("{}: {}", what, reason), load_errno)
        .WithLog(std::move(text));
  }
}

}  // namespace

ProgramInfo MakeProgramInfo(const bpf_prog_info& info, std::string name) {
  ProgramInfo result;
  result.id = info.id;
  result.name = std::move(name);
  result.type = static_cast<ProgramType>(info.type);
  result.instruction_count = info.xlated_prog_len / static_cast<__u32>(sizeof(isa::Instruction));
  std::copy_n(info.tag, result.tag.size(), result.tag.begin());
  return result;
}

Result<std::shared_ptr<BackendProgram>> KernelProgram::Load(const LinkedProgram& program) {
  const auto code = STRATA_TRY(WithMapDescriptors(program));
  // Writing a log makes verifying slower, so the first try has none unless it was asked for.
  LoadedWithLog loaded;
  if (program.log_level == 0) loaded.fd = UniqueFd(kernel::Load(program, code, nullptr));
  if (program.log_level == 0 && !loaded.fd && errno == E2BIG && program.is_attach_type_optional &&
      program.attach_type != AttachType::kNone) {
    // What a kernel without the field (before Linux 4.17) says of one that is not zero.
    LinkedProgram without = program;
    without.attach_type = AttachType::kNone;
    return Load(without);
  }
  if (!loaded.fd) loaded = STRATA_TRY(LoadWithLog(program, code));
  bpf_prog_info kernel_info{};
  __u32 size = sizeof(kernel_info);
  if (::bpf_obj_get_info_by_fd(loaded.fd.get(), &kernel_info, &size) != 0) {
    return BpfError(errno, fmt::format("program {}: reading its info", program.name));
  }
  ProgramInfo info = MakeProgramInfo(kernel_info, program.name);
  return std::shared_ptr<BackendProgram>(
      new KernelProgram(std::move(loaded.fd), std::move(info), std::move(loaded.log)));
}

Result<ProgramStats> KernelProgram::Stats() {
  bpf_prog_info kernel_info{};
  __u32 size = sizeof(kernel_info);
  if (::bpf_obj_get_info_by_fd(fd(), &kernel_info, &size) != 0) {
    return BpfError(errno, fmt::format("program {}: reading its statistics", info_.name));
  }
  return ProgramStats{kernel_info.run_cnt, kernel_info.run_time_ns, kernel_info.recursion_misses};
}

}  // namespace strata::kernel
