// A program's code, read back from its file.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "objects.h"
#include "strata/backend/userspace/runtime/interpreter/interpreter.h"
#include "strata/isa/opcode.h"

namespace strata::userspace {
namespace {

using isa::Instruction;
using isa::PseudoLoad;
using runtime::ProgramHeader;

constexpr std::uint8_t kLoad64Opcode = 0x18;
constexpr off_t kLargestFile = 256 << 20;

// The file in memory of our own, where its tables are checked.
class ProgramFile {
 public:
  static Result<ProgramFile> Read(int fd, const std::string& what) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return Error::FromErrno(errno, what);
    ProgramFile file;
    if (status.st_size >= static_cast<off_t>(sizeof(ProgramHeader)) && status.st_size <= kLargestFile)
      file.bytes_.resize(static_cast<std::size_t>(status.st_size));
    if (file.bytes_.empty() ||
        ::pread(fd, file.bytes_.data(), file.bytes_.size(), 0) != static_cast<ssize_t>(file.bytes_.size()))
      return Error(ErrorCode::kMalformed, what + ": its file is damaged", EBADMSG);
    std::memcpy(&file.header_, file.bytes_.data(), sizeof(file.header_));
    return file;
  }

  const ProgramHeader& header() const { return header_; }

  // Empty where it would lie outside.
  template <typename T>
  std::vector<T> Table(std::uint32_t offset, std::uint32_t count) const {
    if (offset > bytes_.size() || count > (bytes_.size() - offset) / sizeof(T)) return {};
    std::vector<T> table(count);
    if (count != 0) std::memcpy(static_cast<void*>(table.data()), bytes_.data() + offset, count * sizeof(T));
    return table;
  }

 private:
  std::vector<std::byte> bytes_;
  ProgramHeader header_{};
};

// Positions in the map table become the maps' ids, as the kernel shows them.
void NameMaps(const std::vector<runtime::ProgramMap>& maps, std::vector<Instruction>* instructions) {
  for (std::size_t i = 0; i + 1 < instructions->size(); ++i) {
    Instruction& load = (*instructions)[i];
    if (load.opcode != kLoad64Opcode) continue;
    ++i;
    const auto pseudo = static_cast<PseudoLoad>(load.src);
    const bool is_value = pseudo == PseudoLoad::kMapIndexValue;
    if (pseudo != PseudoLoad::kMapIndex && !is_value) continue;
    if (static_cast<std::uint32_t>(load.imm) >= maps.size()) continue;
    load.imm = static_cast<std::int32_t>(maps[static_cast<std::uint32_t>(load.imm)].id);
    load.src = static_cast<std::uint8_t>(is_value ? PseudoLoad::kMapValue : PseudoLoad::kMapFd);
  }
}

// Interpreted code says of accesses in fields that mean nothing how they are done.
void RemoveMarks(std::vector<Instruction>* instructions) {
  for (std::size_t i = 0; i < instructions->size(); i += isa::SlotCount((*instructions)[i])) {
    Instruction& access = (*instructions)[i];
    const isa::OpcodeInfo* info = isa::FindOpcode(access.opcode);
    if (info == nullptr) continue;
    if (info->form == isa::OperandForm::kLoad || info->form == isa::OperandForm::kStoreReg) access.imm = 0;
    if (info->form == isa::OperandForm::kStoreImm) access.src = 0;
    if (info->form == isa::OperandForm::kAtomic) access.imm &= ~runtime::kArenaAtomicMark;
  }
}

std::vector<ProgramFunction> FunctionsOf(const ProgramFile& file, const btf::Btf* types) {
  std::vector<ProgramFunction> functions;
  const ProgramHeader& header = file.header();
  for (const auto& record : file.Table<runtime::FunctionRecord>(header.func_info_offset, header.func_info_count)) {
    ProgramFunction& function = functions.emplace_back();
    function.index = isa::InsnIndex{record.instruction};
    if (types == nullptr) continue;
    if (const auto type = types->Get<btf::Func>(btf::TypeId{record.type_id})) function.name = type->name;
  }
  return functions;
}

std::vector<ProgramLine> LinesOf(const ProgramFile& file, const btf::Btf* types) {
  std::vector<ProgramLine> lines;
  if (types == nullptr) return lines;
  const ProgramHeader& header = file.header();
  const auto text = [&](std::uint32_t offset) {
    return std::string(types->StringAt(offset).value_or(std::string_view()));
  };
  for (const auto& record : file.Table<runtime::LineRecord>(header.line_info_offset, header.line_info_count)) {
    lines.push_back({isa::InsnIndex{record.instruction}, text(record.file_name_offset), text(record.line_offset),
                     record.line_and_column >> 10, record.line_and_column & 0x3ff});
  }
  return lines;
}

}  // namespace

Result<ProgramCode> UserspaceProgram::Code() {
  const std::string what = "program " + info_.name;
  const ProgramFile file = STRATA_TRY(ProgramFile::Read(object_->file.fd.get(), what));
  const ProgramHeader& header = file.header();
  std::shared_ptr<const btf::Btf> types;
  if (info_.btf_id != 0) types = STRATA_TRY(ReadTypes(*shared_->session, info_.btf_id).Context(what));
  ProgramCode code;
  code.instructions = file.Table<Instruction>(header.instructions_offset, header.instruction_count);
  RemoveMarks(&code.instructions);
  NameMaps(file.Table<runtime::ProgramMap>(header.maps_offset, header.map_count), &code.instructions);
  code.machine_code = file.Table<std::byte>(header.image_offset, header.image_size);
  code.functions = FunctionsOf(file, types.get());
  code.lines = LinesOf(file, types.get());
  return code;
}

Result<std::uint64_t> UserspaceProgram::MemoryBytes() {
  struct stat status {};
  if (::fstat(object_->file.fd.get(), &status) != 0) return Error::FromErrno(errno, "program " + info_.name);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace strata::userspace
