#include "program_file.h"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "program_checks.h"
#include "strata/backend/userspace/runtime/helpers/table.h"
#include "strata/backend/userspace/task_layout.h"

namespace strata::userspace {
namespace {

using runtime::ProgramHeader;

template <typename T>
std::span<const std::byte> BytesOf(const std::vector<T>& items) {
  return std::as_bytes(std::span(items));
}

// The file: header, then each table at a multiple of 8.
class FileBuilder {
 public:
  FileBuilder() : bytes_(sizeof(ProgramHeader)) {}
  std::uint32_t Add(std::span<const std::byte> table) {
    bytes_.resize((bytes_.size() + 7) / 8 * 8);
    const auto offset = static_cast<std::uint32_t>(bytes_.size());
    bytes_.insert(bytes_.end(), table.begin(), table.end());
    return offset;
  }
  std::vector<std::byte> Finish(ProgramHeader header) && {
    header.file_size = bytes_.size();
    std::memcpy(bytes_.data(), &header, sizeof(header));
    return std::move(bytes_);
  }

 private:
  std::vector<std::byte> bytes_;
};

void CopyName(char (&to)[runtime::kNameSize], std::string_view from) {
  std::memcpy(to, from.data(), std::min(from.size(), sizeof(to) - 1));
}

std::uint64_t BootTimeNs() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// Where callbacks start that may run in another process; none for programs without callbacks.
std::vector<runtime::ProgramFunction> CallbackTable(const verifier::StructuralFacts& facts,
                                                    const compile::CompiledImage& image) {
  if (!facts.uses_callbacks || !image.code.empty()) {
    return facts.uses_callbacks ? image.functions : std::vector<runtime::ProgramFunction>();
  }
  std::vector<runtime::ProgramFunction> functions;
  for (const verifier::FunctionFacts& function : facts.functions) functions.push_back({function.begin.value, 0});
  return functions;
}

}  // namespace

Result<std::vector<std::byte>> TaskLayoutFor(const verifier::StructuralFacts& facts, const KernelFacts& kernel) {
  const auto asks = [](std::uint32_t id) {
    return (runtime::FindHelperRow(id)->flags & runtime::helper_flags::kUsesTask) != 0;
  };
  const auto helper = std::find_if(facts.helpers.begin(), facts.helpers.end(), asks);
  if (helper == facts.helpers.end()) return std::vector<std::byte>{};
  const std::string what =
      fmt::format("bpf_{} lays out a task by the kernel's BTF", runtime::FindHelperRow(*helper)->name);
  const auto types = STRATA_TRY(kernel.Types().Context(what));
  const runtime::TaskLayout layout = STRATA_TRY(MakeTaskLayout(*types).Context(what));
  const auto bytes = std::as_bytes(std::span(&layout, 1));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

std::vector<std::byte> MakeProgramFile(std::uint32_t id, const LinkedProgram& linked, const isa::Tag& tag,
                                       const TabledProgram& program, const compile::CompiledImage& image,
                                       const verifier::StructuralFacts& facts, std::span<const std::byte> task_layout) {
  ProgramHeader header{};
  header.magic = static_cast<std::uint32_t>(runtime::FileMagic::kProgram);
  header.version = runtime::kLayoutVersion;
  header.image_abi = runtime::kImageAbi;
  header.id = id;
  header.type = linked.type;
  header.attach_type = linked.attach_type;
  header.flags = runtime::program_flags::kUnverified;
  if (Calls(facts, kOverrideReturn)) header.flags |= runtime::program_flags::kOverridesReturn;
  if (Calls(facts, kTimerSetCallback)) header.flags |= runtime::program_flags::kSetsTimers;
  if (program.uses_slot) header.flags |= runtime::program_flags::kUsesSlot;
  if (image.code.empty()) header.flags |= runtime::program_flags::kInterpreted;
  header.load_time_ns = BootTimeNs();
  header.created_by_uid = ::geteuid();
  if (const auto* types = dynamic_cast<const UserspaceTypes*>(linked.types.get())) header.btf_id = types->id();
  header.instruction_count = static_cast<std::uint32_t>(program.instructions.size());
  header.image_size = static_cast<std::uint32_t>(image.code.size());
  header.entry_offset = image.entry_offset;
  header.tail_entry_offset = image.tail_entry_offset;
  header.callback_offset = image.callback_offset;
  header.relocation_count = static_cast<std::uint32_t>(image.relocations.size());
  header.map_count = static_cast<std::uint32_t>(program.table.size());
  const std::vector<runtime::ProgramFunction> functions = CallbackTable(facts, image);
  header.function_count = static_cast<std::uint32_t>(functions.size());
  header.import_count = static_cast<std::uint32_t>(program.imports.size());
  CopyName(header.name, linked.name);
  std::copy(tag.begin(), tag.end(), header.tag);
  CopyName(header.license, linked.license);
  FileBuilder file;
  header.instructions_offset = file.Add(BytesOf(program.instructions));
  header.image_offset = file.Add(image.code);
  header.relocations_offset = file.Add(BytesOf(image.relocations));
  header.maps_offset = file.Add(BytesOf(program.table));
  header.func_info_offset = file.Add(linked.func_info);
  header.func_info_count = static_cast<std::uint32_t>(linked.func_info.size() / sizeof(runtime::FunctionRecord));
  header.line_info_offset = file.Add(linked.line_info);
  header.line_info_count = static_cast<std::uint32_t>(linked.line_info.size() / sizeof(runtime::LineRecord));
  header.task_layout_offset = file.Add(task_layout);
  header.task_layout_size = static_cast<std::uint32_t>(task_layout.size());
  header.functions_offset = file.Add(BytesOf(functions));
  header.imports_offset = file.Add(BytesOf(program.imports));
  return std::move(file).Finish(header);
}

Result<void> WriteAll(int fd, std::span<const std::byte> bytes, const std::string& what) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::FromErrno(errno, what + ": writing its file");
    done += static_cast<std::size_t>(count);
  }
  return {};
}

}  // namespace strata::userspace
