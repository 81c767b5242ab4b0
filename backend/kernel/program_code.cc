#include "program_code.h"

#include <fmt/format.h>

#include <vector>

#include "program.h"
#include "strata/btf/btf.h"

namespace strata::kernel {
namespace {

// struct bpf_func_info and bpf_line_info (include/uapi/linux/bpf.h); newer kernels may have longer ones.
struct FunctionRecord {
  std::uint32_t insn_off;
  std::uint32_t type_id;
};
struct LineRecord {
  std::uint32_t insn_off;
  std::uint32_t file_name_off;
  std::uint32_t line_off;
  std::uint32_t line_col;
};

// Room for every list that the kernel can fill.
struct Buffers {
  std::vector<isa::Instruction> instructions;
  std::vector<std::byte> machine_code;
  std::vector<FunctionRecord> functions;
  std::vector<LineRecord> lines;
  std::vector<std::uint64_t> addresses;
  std::vector<std::uint32_t> lengths;

  explicit Buffers(const ProgramInfoRecord& counts)
      : instructions(counts.xlated_prog_len / sizeof(isa::Instruction)),
        machine_code(counts.jited_prog_len),
        functions(counts.nr_func_info),
        lines(counts.nr_line_info),
        addresses(counts.nr_jited_ksyms),
        lengths(counts.nr_jited_func_lens) {}

  ProgramInfoRecord Request() const {
    ProgramInfoRecord record;
    record.xlated_prog_len = static_cast<std::uint32_t>(instructions.size() * sizeof(isa::Instruction));
    record.xlated_prog_insns = AddressOf(instructions.data());
    record.jited_prog_len = static_cast<std::uint32_t>(machine_code.size());
    record.jited_prog_insns = AddressOf(machine_code.data());
    record.nr_func_info = static_cast<std::uint32_t>(functions.size());
    record.func_info_rec_size = sizeof(FunctionRecord);
    record.func_info = AddressOf(functions.data());
    record.nr_line_info = static_cast<std::uint32_t>(lines.size());
    record.line_info_rec_size = sizeof(LineRecord);
    record.line_info = AddressOf(lines.data());
    record.nr_jited_ksyms = static_cast<std::uint32_t>(addresses.size());
    record.jited_ksyms = AddressOf(addresses.data());
    record.nr_jited_func_lens = static_cast<std::uint32_t>(lengths.size());
    record.jited_func_lens = AddressOf(lengths.data());
    return record;
  }
};

std::string NameOfFunction(const btf::Btf* types, std::uint32_t type_id) {
  if (types == nullptr) return {};
  const auto function = types->Get<btf::Func>(btf::TypeId{type_id});
  return function ? std::string(function->name) : std::string();
}

std::vector<ProgramFunction> FunctionsOf(const Buffers& buffers, const btf::Btf* types) {
  std::vector<ProgramFunction> functions(std::max(buffers.functions.size(), buffers.lengths.size()));
  for (std::size_t i = 0; i < functions.size(); ++i) {
    if (i < buffers.functions.size()) {
      functions[i].index = isa::InsnIndex{buffers.functions[i].insn_off};
      functions[i].name = NameOfFunction(types, buffers.functions[i].type_id);
    }
    if (i < buffers.lengths.size()) functions[i].jited_bytes = buffers.lengths[i];
    if (i < buffers.addresses.size()) functions[i].jited_address = buffers.addresses[i];
  }
  return functions;
}

std::string TextAt(const btf::Btf* types, std::uint32_t offset) {
  if (types == nullptr) return {};
  return std::string(types->StringAt(offset).value_or(std::string_view()));
}

std::vector<ProgramLine> LinesOf(const Buffers& buffers, const btf::Btf* types) {
  std::vector<ProgramLine> lines;
  for (const LineRecord& record : buffers.lines) {
    lines.push_back({isa::InsnIndex{record.insn_off}, TextAt(types, record.file_name_off),
                     TextAt(types, record.line_off), record.line_col >> 10, record.line_col & 0x3ff});
  }
  return lines;
}

}  // namespace

Result<std::shared_ptr<const btf::Btf>> ReadTypesById(const Context& context, std::uint32_t id) {
  const std::string what = fmt::format("BTF {}", id);
  const FdOrErrno opened = context.OpenById(Command::kBtfOpenById, id);
  if (!opened) return BpfError(opened.sys_errno, what + ": opening it");
  BtfInfoRecord record;
  if (const int error = context.Info(opened.fd.get(), record); error != 0) return BpfError(error, what);
  std::vector<std::byte> bytes(record.btf_size);
  record = {};
  record.btf = AddressOf(bytes.data());
  record.btf_size = static_cast<std::uint32_t>(bytes.size());
  if (const int error = context.Info(opened.fd.get(), record); error != 0) return BpfError(error, what);
  return btf::Btf::Parse(std::move(bytes), what);
}

std::string FullProgramName(const Context& context, int fd, const ProgramInfoRecord& record) {
  std::string name(record.name.data());
  if (name.size() + 1 < record.name.size() || record.btf_id == 0 || record.nr_func_info == 0) return name;
  FunctionRecord first{};
  ProgramInfoRecord request;
  request.nr_func_info = 1;
  request.func_info_rec_size = sizeof(first);
  request.func_info = AddressOf(&first);
  if (context.Info(fd, request) != 0) return name;
  const auto types = ReadTypesById(context, record.btf_id);
  if (!types) return name;
  const std::string full = NameOfFunction(types->get(), first.type_id);
  return full.starts_with(name) ? full : name;
}

Result<ProgramCode> ReadProgramCode(const Context& context, int fd) {
  ProgramInfoRecord counts;
  if (const int error = context.Info(fd, counts); error != 0) return BpfError(error, "reading its info");
  Buffers buffers(counts);
  ProgramInfoRecord record = buffers.Request();
  if (const int error = context.Info(fd, record); error != 0) return BpfError(error, "reading its code");
  std::shared_ptr<const btf::Btf> types;
  if (counts.btf_id != 0) types = STRATA_TRY(ReadTypesById(context, counts.btf_id));
  ProgramCode code;
  // A kernel that hides code (bpf_jit_harden, missing privileges) clears the addresses that it was given.
  if (record.xlated_prog_insns != 0) code.instructions = std::move(buffers.instructions);
  if (record.jited_prog_insns != 0) code.machine_code = std::move(buffers.machine_code);
  code.functions = FunctionsOf(buffers, types.get());
  code.lines = LinesOf(buffers, types.get());
  return code;
}

Result<ProgramCode> KernelProgram::Code() { return ReadProgramCode(*context_, fd()).Context("program " + name_); }

}  // namespace strata::kernel
