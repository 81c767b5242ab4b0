#include "guarded_read.h"

#include <asm/errno.h>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/sys.h"
#include "strata/backend/userspace/runtime/task_memory.h"

namespace strata::runtime {
namespace {

extern "C" {
long strata_guarded_copy(void* to, const void* from, std::size_t size_bytes) noexcept
    __attribute__((visibility("hidden")));
long strata_guarded_copy_string(char* to, const char* from, std::size_t size_bytes) noexcept
    __attribute__((visibility("hidden")));
}

constexpr std::size_t kWord = 8;
constexpr std::size_t kChunk = 256;

// access_ok: nothing of it is in the kernel's half, which holds a page that programs could read (vsyscall).
bool IsUserRange(std::uint64_t address, std::size_t size_bytes) {
  const std::uint64_t end = address + size_bytes;
  return end >= address && static_cast<std::int64_t>(end) >= 0;
}

long ReadBySystemCall(Process& process, void* to, std::uint64_t from, std::size_t size_bytes) {
  const sys::IoVector local{to, size_bytes};
  const sys::IoVector remote{reinterpret_cast<void*>(from), size_bytes};
  const long copied = sys::ProcessVmReadv(CurrentIds(process).pid, &local, &remote);
  return copied == static_cast<long>(size_bytes) ? 0 : -EFAULT;
}

// The zeros that a copy word by word leaves behind the NUL at `end`.
void PadWord(Process& process, char* to, std::uint64_t from, std::size_t size_bytes, std::size_t end) {
  const std::size_t word = end / kWord * kWord;
  std::uint64_t ignored;
  if (size_bytes - word < kWord || ReadBySystemCall(process, &ignored, from + word, kWord) != 0) return;
  for (std::size_t i = end + 1; i < word + kWord; ++i) to[i] = 0;
}

// What strata_guarded_copy_string returns. Never asks for more than the page that the string is known to reach.
long CopyStringBySystemCall(Process& process, char* to, std::uint64_t from, std::size_t size_bytes) {
  char text[kChunk];
  for (std::size_t done = 0; done < size_bytes;) {
    const std::size_t in_page = kPageSize - (from + done) % kPageSize;
    std::size_t chunk = size_bytes - done < in_page ? size_bytes - done : in_page;
    if (chunk > kChunk) chunk = kChunk;
    if (ReadBySystemCall(process, text, from + done, chunk) != 0) return -EFAULT;
    for (std::size_t i = 0; i < chunk; ++i) {
      to[done + i] = text[i];
      if (text[i] != 0) continue;
      PadWord(process, to, from, size_bytes, done + i);
      return static_cast<long>(done + i);
    }
    done += chunk;
  }
  return static_cast<long>(size_bytes);
}

[[gnu::noinline]] long ReadTask(Process& process, void* to, std::uint64_t from, std::size_t size_bytes) {
  if (!RefreshTaskMemory(process, from, size_bytes)) return -EFAULT;
  memcpy(to, reinterpret_cast<const void*>(from), size_bytes);
  return 0;
}

// What strata_guarded_copy_string returns, of task memory.
[[gnu::noinline]] long CopyTaskString(Process& process, char* to, std::uint64_t from, std::size_t size_bytes) {
  const std::size_t left = BytesLeftOfTask(process, from);
  const std::size_t most = size_bytes < left ? size_bytes : left;
  if (!RefreshTaskMemory(process, from, most)) return -EFAULT;
  const auto* text = reinterpret_cast<const char*>(from);
  for (std::size_t i = 0; i < most; ++i) {
    to[i] = text[i];
    if (text[i] == 0) return static_cast<long>(i);
  }
  return most == size_bytes ? static_cast<long>(most) : -EFAULT;
}

long CopyString(Process& process, char* to, std::uint64_t from, std::size_t size_bytes) {
  if (IsTaskMemory(process, from)) return CopyTaskString(process, to, from, size_bytes);
  if (process.has_fault_table) return strata_guarded_copy_string(to, reinterpret_cast<const char*>(from), size_bytes);
  return CopyStringBySystemCall(process, to, from, size_bytes);
}

}  // namespace

long GuardedRead(Process& process, void* to, std::uint64_t from, std::size_t size_bytes) noexcept {
  if (!IsUserRange(from, size_bytes)) [[unlikely]]
    return -EFAULT;
  if (IsTaskMemory(process, from)) [[unlikely]]
    return ReadTask(process, to, from, size_bytes);
  if (process.has_fault_table) [[likely]]
    return strata_guarded_copy(to, reinterpret_cast<const void*>(from), size_bytes);
  return size_bytes == 0 ? 0 : ReadBySystemCall(process, to, from, size_bytes);
}

long GuardedReadPlaces(Process& process, const GuardedPlace* places, std::uint32_t count) noexcept {
  if (count > kMostGuardedPlaces) return -EINVAL;
  if (process.has_fault_table) {
    for (std::uint32_t i = 0; i < count; ++i) {
      if (GuardedRead(process, places[i].to, places[i].from, places[i].size_bytes) != 0) return -EFAULT;
    }
    return 0;
  }
  sys::IoVector local[kMostGuardedPlaces];
  sys::IoVector remote[kMostGuardedPlaces];
  std::size_t wanted = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!IsUserRange(places[i].from, places[i].size_bytes)) return -EFAULT;
    local[i] = {places[i].to, places[i].size_bytes};
    remote[i] = {reinterpret_cast<void*>(places[i].from), places[i].size_bytes};
    wanted += places[i].size_bytes;
  }
  const long copied = sys::ProcessVmReadv(CurrentIds(process).pid, local, remote, count);
  return copied == static_cast<long>(wanted) ? 0 : -EFAULT;
}

long GuardedWrite(Process& process, std::uint64_t to, const void* from, std::size_t size_bytes) noexcept {
  if (!IsUserRange(to, size_bytes) || IsTaskMemory(process, to)) return -EFAULT;
  if (process.has_fault_table) return strata_guarded_copy(reinterpret_cast<void*>(to), from, size_bytes);
  if (size_bytes == 0) return 0;
  const sys::IoVector local{const_cast<void*>(from), size_bytes};
  const sys::IoVector remote{reinterpret_cast<void*>(to), size_bytes};
  const long copied = sys::ProcessVmWritev(CurrentIds(process).pid, &local, &remote);
  return copied == static_cast<long>(size_bytes) ? 0 : -EFAULT;
}

long GuardedReadString(Process& process, char* to, std::uint64_t from, std::size_t size_bytes) noexcept {
  if (size_bytes == 0) return 0;
  if (!IsUserRange(from, 0)) return -EFAULT;
  const std::size_t below_kernel = (std::uint64_t{1} << 63) - from;
  const std::size_t most = size_bytes < below_kernel ? size_bytes : below_kernel;
  const long length = CopyString(process, to, from, most);
  if (length < 0) return length;
  if (length < static_cast<long>(size_bytes)) return length + 1;
  to[size_bytes - 1] = 0;
  return static_cast<long>(size_bytes);
}

}  // namespace strata::runtime
