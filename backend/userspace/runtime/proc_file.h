// Small files of /proc, read into the caller's buffer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::runtime {

// Reads "<folder><name>" and ends it with a NUL. Returns the bytes read, or a negative errno with an empty text.
long ReadProcFile(const char* folder, const char* name, char* text, std::size_t size_bytes) noexcept;

// The number behind spaces at `at`, which is moved behind it. Base 10 or 16.
std::uint64_t ParseProcNumber(const char*& at, std::uint32_t base) noexcept;

// What follows `key` at the start of a line; null without such a line.
const char* FindProcLine(const char* text, const char* key) noexcept;

// A line of /proc/PID/stat by the numbers of proc(5): fields 3 and up, where the state's letter counts as 0.
inline constexpr std::uint32_t kStatFields = 53;
struct ProcStat {
  std::uint64_t fields[kStatFields];
};
bool ReadProcStat(const char* folder, ProcStat* out) noexcept;

}  // namespace strata::runtime
