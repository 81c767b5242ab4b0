#include "program_check.h"

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/sys.h"

namespace strata::attach {

namespace sys = runtime::sys;

namespace {

constexpr int kCurrentFolder = -100;    // AT_FDCWD
constexpr int kCloseOnExec = 02000000;  // O_CLOEXEC, with O_RDONLY
constexpr int kReadable = 4;            // R_OK
constexpr std::uint32_t kSetIds = 06000;
constexpr std::size_t kHeadSize = 1024;  // ELF header and program headers of nearly every file; a script's first line
constexpr int kMaxScripts = 4;           // BINPRM_MAX_RECURSION of the kernel

// Of <elf.h>.
constexpr std::uint8_t kClass64 = 2;
constexpr std::uint16_t kMachineX86_64 = 62;
constexpr std::uint32_t kInterpreterSegment = 3;  // PT_INTERP
struct ElfHead {
  std::uint8_t magic[4];
  std::uint8_t file_class;
  std::uint8_t rest[11];
  std::uint16_t type;
  std::uint16_t machine;
  std::uint32_t version;
  std::uint64_t entry;
  std::uint64_t segments_offset;
  std::uint64_t sections_offset;
  std::uint32_t flags;
  std::uint16_t size;
  std::uint16_t segment_size;
  std::uint16_t segment_count;
};

struct Head {
  alignas(8) char bytes[kHeadSize + 1];
  std::size_t size;
  bool sets_ids;
};

bool ReadHead(const char* path, Head* out) {
  const int fd = sys::OpenAt(kCurrentFolder, path, kCloseOnExec);
  if (fd < 0) return false;
  sys::FileStatus status;
  out->sets_ids = sys::Fstat(fd, &status) == 0 && (status.mode & kSetIds) != 0;
  const long got = sys::Read(fd, out->bytes, kHeadSize);
  sys::Close(fd);
  if (got < 4) return false;
  out->size = static_cast<std::size_t>(got);
  out->bytes[out->size] = '\0';
  return true;
}

bool HasInterpreter(const Head& head, const ElfHead& elf) {
  for (std::size_t i = 0; i < elf.segment_count; ++i) {
    const std::uint64_t at = elf.segments_offset + i * elf.segment_size;
    if (elf.segments_offset > head.size || at > head.size - sizeof(std::uint32_t)) return true;  // not read that far
    std::uint32_t type;
    __builtin_memcpy(&type, head.bytes + at, sizeof(type));
    if (type == kInterpreterSegment) return true;
  }
  return false;
}

bool IsElf(const Head& head) {
  return head.bytes[0] == '\x7f' && head.bytes[1] == 'E' && head.bytes[2] == 'L' && head.bytes[3] == 'F';
}

bool TakesAgentElf(const Head& head) {
  ElfHead elf;
  if (head.size < sizeof(elf)) return false;
  __builtin_memcpy(&elf, head.bytes, sizeof(elf));
  return elf.file_class == kClass64 && elf.machine == kMachineX86_64 && HasInterpreter(head, elf);
}

// The interpreter of "#!interpreter arguments", terminated in place; null when there is none.
char* InterpreterOf(Head& head) {
  if (head.bytes[0] != '#' || head.bytes[1] != '!') return nullptr;
  char* at = head.bytes + 2;
  while (*at == ' ' || *at == '\t') ++at;
  char* end = at;
  while (*end != '\0' && *end != ' ' && *end != '\t' && *end != '\n') ++end;
  *end = '\0';
  return end == at ? nullptr : at;
}

}  // namespace

bool TakesAgent(const char* path, const char* agent_path) noexcept {
  if (sys::Raw(sys::Call::kFaccessat, sys::Wide(kCurrentFolder), sys::Address(agent_path), kReadable) != 0)
    return false;
  Head head;
  char interpreter[256];
  for (int scripts = 0; scripts <= kMaxScripts; ++scripts) {
    // What cannot be read may still be executed.
    if (!ReadHead(path, &head)) return true;
    if (head.sets_ids) return false;
    if (IsElf(head)) return TakesAgentElf(head);
    const char* next = InterpreterOf(head);
    std::size_t length = 0;
    while (next != nullptr && next[length] != '\0') ++length;
    if (length == 0 || length >= sizeof(interpreter)) return true;
    __builtin_memcpy(interpreter, next, length + 1);
    path = interpreter;
  }
  return true;
}

}  // namespace strata::attach
