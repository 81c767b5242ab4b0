#include "program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <typeinfo>

#include "attach_program.h"
#include "failure.h"
#include "fd_info.h"
#include "map.h"
#include "program_code.h"
#include "program_load.h"
#include "strata/isa/opcode.h"
#include "strata/spec/type_names.h"
#include "types.h"

namespace strata::kernel {
namespace {

// No class derives from it, so that its identity is one comparison; a dynamic_cast walks a hierarchy.
const KernelMap* AsKernelMap(const BackendMap& map) {
  return typeid(map) == typeid(KernelMap) ? static_cast<const KernelMap*>(&map) : nullptr;
}

// The kernel knows maps by descriptor: writes them into each ldimm64 that refers to one.
Result<std::vector<isa::Instruction>> WithMapDescriptors(const LinkedProgram& program) {
  auto code = program.instructions;
  for (const MapReference& reference : program.map_references) {
    const KernelMap* map = AsKernelMap(*reference.map);
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

// Reading memory was one helper before Linux 5.5 told the kernel's and the process's apart.
struct OldRead {
  std::int32_t helper;
  std::int32_t before;
};
constexpr OldRead kOldReads[] = {
    {112, 4},   // probe_read_user: probe_read
    {113, 4},   // probe_read_kernel
    {114, 45},  // probe_read_user_str: probe_read_str
    {115, 45},  // probe_read_kernel_str
};

// Where the kernel has only the old helpers, makes `code` call them; whether it changed anything.
bool UseOldReads(std::vector<isa::Instruction>& code, const LinkedProgram& program, FeatureProber& prober) {
  bool has_changed = false;
  for (std::size_t i = 0; i < code.size(); i += isa::SlotCount(code[i])) {
    const bool is_helper = code[i].opcode == static_cast<std::uint8_t>(isa::Opcode::kCall) && code[i].src == 0;
    const auto* row = std::find_if(std::begin(kOldReads), std::end(kOldReads),
                                   [&](const OldRead& candidate) { return candidate.helper == code[i].imm; });
    if (!is_helper || row == std::end(kOldReads)) continue;
    const HelperFeature helper{static_cast<std::uint32_t>(row->helper), program.type, program.attach_type};
    if (prober.Probe(helper).support != Support::kNo) return has_changed;
    code[i].imm = row->before;
    has_changed = true;
  }
  return has_changed;
}

}  // namespace

ProgramInfo MakeProgramInfo(const ProgramInfoRecord& info, std::string name) {
  ProgramInfo result;
  result.id = info.id;
  result.name = std::move(name);
  result.type = static_cast<ProgramType>(info.type);
  result.instruction_count = info.xlated_prog_len / static_cast<std::uint32_t>(sizeof(isa::Instruction));
  result.tag = info.tag;
  result.jited_bytes = info.jited_prog_len;
  result.verified_instruction_count = info.verified_insns;
  result.load_time_ns = info.load_time;
  result.created_by_uid = info.created_by_uid;
  result.is_gpl_compatible = (info.gpl_compatible & 1U) != 0;
  result.btf_id = info.btf_id;
  result.attach_btf_id = info.attach_btf_id;
  result.attach_btf_object_id = info.attach_btf_obj_id;
  result.ifindex = info.ifindex;
  return result;
}

Result<ProgramInfo> ReadProgramInfo(const Context& context, int fd, std::optional<std::string> name) {
  ProgramInfoRecord record;
  std::vector<std::uint32_t> map_ids(16);
  for (;;) {
    record = {};
    record.map_ids = AddressOf(map_ids.data());
    record.nr_map_ids = static_cast<std::uint32_t>(map_ids.size());
    if (const int error = context.Info(fd, record); error != 0) return BpfError(error, "reading a program's info");
    if (record.nr_map_ids <= map_ids.size()) break;
    map_ids.resize(record.nr_map_ids);
  }
  map_ids.resize(record.nr_map_ids);
  if (!name) name = FullProgramName(context, fd, record);
  ProgramInfo info = MakeProgramInfo(record, *std::move(name));
  info.map_ids = std::move(map_ids);
  return info;
}

Result<std::shared_ptr<BackendProgram>> KernelProgram::Load(const ContextPtr& context, const LinkedProgram& program,
                                                            FeatureProber& prober) {
  if (program.attach_program != nullptr && program.attach_btf_id == 0) {
    return Load(context, STRATA_TRY(WithHookedFunction(*context, program)), prober);
  }
  auto code = STRATA_TRY(WithMapDescriptors(program));
  ProgramLoadAttr attr = LoadAttrOf(program, code);
  LoadOutcome loaded = LoadWithLog(*context, attr, program.log_level);
  if (loaded.sys_errno == E2BIG && program.is_attach_type_optional && attr.expected_attach_type != 0) {
    // What a kernel without the field (before Linux 4.17) says of one that is not zero.
    attr.expected_attach_type = 0;
    loaded = LoadWithLog(*context, attr, program.log_level);
  }
  if (!loaded.fd && UseOldReads(code, program, prober)) loaded = LoadWithLog(*context, attr, program.log_level);
  if (!loaded.fd) return LoadFailure(program, std::move(loaded), prober);
  std::shared_ptr<KernelProgram> result(
      new KernelProgram(context, std::move(loaded.fd), program.name, program.type, std::move(loaded.log)));
  result->maps_.reserve(program.map_references.size());
  for (const MapReference& reference : program.map_references) result->maps_.push_back(reference.map);
  return std::shared_ptr<BackendProgram>(std::move(result));
}

Result<std::shared_ptr<BackendProgram>> KernelProgram::Adopt(const ContextPtr& context, UniqueFd fd) {
  if (const std::string kind = OtherObjectKind(fd.get(), "prog"); !kind.empty()) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("is no program but a {}", kind));
  }
  auto info = STRATA_TRY(ReadProgramInfo(*context, fd.get()));
  std::shared_ptr<KernelProgram> result(new KernelProgram(context, std::move(fd), info.name, info.type, {}));
  std::call_once(result->has_info_, [&] { result->info_ = std::move(info); });
  return std::shared_ptr<BackendProgram>(std::move(result));
}

const ProgramInfo& KernelProgram::info() const {
  std::call_once(has_info_, [this] {
    if (auto info = ReadProgramInfo(*context_, fd(), name_)) info_ = *std::move(info);
    info_.name = name_;
    info_.type = type_;
  });
  return info_;
}

Result<void> KernelProgram::Pin(const std::string& path) {
  return PinObject(*context_, fd(), path, "program " + name_);
}

std::string UsersOfProgramArray(int map_fd) {
  const auto type = FdInfoNumber(ReadFdInfo(map_fd), "owner_prog_type");
  return type ? fmt::format(" ({})", ProgramTypeName(static_cast<ProgramType>(*type))) : std::string();
}

Result<std::uint64_t> KernelProgram::MemoryBytes() {
  if (const auto memory = FdInfoNumber(ReadFdInfo(fd()), "memlock")) return *memory;
  return Error(ErrorCode::kNotSupported,
               fmt::format("program {}: this kernel does not say how much memory it takes", name_));
}

Result<ProgramStats> KernelProgram::Stats() {
  ProgramInfoRecord record;
  if (const int error = context_->Info(fd(), record); error != 0) {
    return BpfError(error, fmt::format("program {}: reading its statistics", name_));
  }
  return ProgramStats{record.run_cnt, record.run_time_ns, record.recursion_misses};
}

}  // namespace strata::kernel
