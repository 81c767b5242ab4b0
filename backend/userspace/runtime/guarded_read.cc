#include "guarded_read.h"

#include <asm/errno.h>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {

long GuardedRead(Process& process, void* to, std::uint64_t from, std::size_t size_bytes) noexcept {
  if (size_bytes == 0) return 0;
  const sys::IoVector local{to, size_bytes};
  const sys::IoVector remote{reinterpret_cast<void*>(from), size_bytes};
  const long copied = sys::ProcessVmReadv(CurrentIds(process).pid, &local, &remote);
  return copied == static_cast<long>(size_bytes) ? 0 : -EFAULT;
}

long GuardedReadString(Process& process, char* to, std::uint64_t from, std::size_t size_bytes) noexcept {
  std::size_t done = 0;
  while (done < size_bytes) {
    // Never beyond the page that the string is known to reach.
    const std::size_t in_page = kPageSize - (from + done) % kPageSize;
    std::size_t chunk = size_bytes - done < in_page ? size_bytes - done : in_page;
    if (chunk > 256) chunk = 256;
    if (GuardedRead(process, to + done, from + done, chunk) != 0) return -EFAULT;
    for (std::size_t i = 0; i < chunk; ++i) {
      if (to[done + i] == 0) return static_cast<long>(done + i + 1);
    }
    done += chunk;
  }
  if (size_bytes != 0) to[size_bytes - 1] = 0;
  return static_cast<long>(size_bytes);
}

}  // namespace strata::runtime
