#include "auxiliary.h"

#include <elf.h>
#include <fcntl.h>

#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {

AuxiliaryVector ReadAuxiliaryVector() noexcept {
  AuxiliaryVector vector;
  const int fd = sys::OpenAt(AT_FDCWD, "/proc/self/auxv", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return vector;
  Elf64_auxv_t entries[64];
  const long size = sys::Read(fd, entries, sizeof(entries));
  sys::Close(fd);
  for (long i = 0; i < size / static_cast<long>(sizeof(entries[0])); ++i) {
    if (entries[i].a_type == AT_SYSINFO_EHDR) vector.vdso = entries[i].a_un.a_val;
    if (entries[i].a_type == AT_PHDR) vector.program_headers = entries[i].a_un.a_val;
    if (entries[i].a_type == AT_PHNUM) vector.program_header_count = entries[i].a_un.a_val;
  }
  return vector;
}

}  // namespace strata::runtime
