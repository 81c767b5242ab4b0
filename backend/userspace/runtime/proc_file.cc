#include "proc_file.h"

#include <asm/errno.h>
#include <fcntl.h>

#include "strata/backend/userspace/runtime/sys.h"
#include "text.h"

namespace strata::runtime {
namespace {

constexpr std::size_t kMaxPath = 128;
constexpr std::uint32_t kFirstStatField = 3;

std::uint32_t DigitOf(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0');
  return c >= 'a' && c <= 'f' ? static_cast<std::uint32_t>(c - 'a' + 10) : 99;
}

}  // namespace

long ReadProcFile(const char* folder, const char* name, char* text, std::size_t size_bytes) noexcept {
  text[0] = 0;
  char path[kMaxPath];
  const std::size_t folder_length = TextLength(folder);
  const std::size_t name_length = TextLength(name);
  if (folder_length + name_length >= sizeof(path)) return -ENAMETOOLONG;
  memcpy(path, folder, folder_length);
  memcpy(path + folder_length, name, name_length + 1);
  const int fd = sys::OpenAt(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fd;
  std::size_t done = 0;
  while (done + 1 < size_bytes) {
    const long count = sys::Read(fd, text + done, size_bytes - 1 - done);
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  sys::Close(fd);
  text[done] = 0;
  return static_cast<long>(done);
}

std::uint64_t ParseProcNumber(const char*& at, std::uint32_t base) noexcept {
  while (*at == ' ' || *at == '\t') ++at;
  const bool is_negative = *at == '-';
  if (is_negative) ++at;
  std::uint64_t number = 0;
  for (; DigitOf(*at) < base; ++at) number = number * base + DigitOf(*at);
  return is_negative ? 0 - number : number;
}

const char* FindProcLine(const char* text, const char* key) noexcept {
  const std::size_t length = TextLength(key);
  for (const char* line = text; *line != 0;) {
    std::size_t matching = 0;
    while (matching < length && line[matching] == key[matching]) ++matching;
    if (matching == length) return line + length;
    while (*line != 0 && *line != '\n') ++line;
    if (*line == '\n') ++line;
  }
  return nullptr;
}

bool ReadProcStat(const char* folder, ProcStat* out) noexcept {
  char text[1024];
  if (ReadProcFile(folder, "stat", text, sizeof(text)) <= 0) return false;
  // The name is in parentheses and may hold any character.
  const char* at = nullptr;
  for (const char* c = text; *c != 0; ++c) {
    if (*c == ')') at = c + 1;
  }
  if (at == nullptr) return false;
  for (std::uint32_t i = 0; i < kStatFields; ++i) out->fields[i] = 0;
  for (std::uint32_t i = kFirstStatField; i < kStatFields && *at != 0 && *at != '\n'; ++i) {
    out->fields[i] = ParseProcNumber(at, 10);
    while (*at != 0 && *at != ' ' && *at != '\n') ++at;
    if (*at == ' ') ++at;
  }
  return true;
}

}  // namespace strata::runtime
