#include "mapping.h"

#include <fmt/format.h>

namespace strata::kernel {

Result<Mapping> Mapping::Make(const ContextPtr& context, int fd, std::size_t size, int protection, off_t offset,
                              const std::string& what) {
  const long address = context->syscalls->Mmap(nullptr, size, protection, MAP_SHARED, fd, offset);
  if (address < 0) return Error::FromErrno(static_cast<int>(-address), what + ": mapping it into memory");
  return Mapping(context, address, size);
}

Result<Mapping> Mapping::MakeAt(const ContextPtr& context, std::uint64_t address, int fd, std::size_t size,
                                const std::string& what) {
  const long mapped = context->syscalls->Mmap(reinterpret_cast<void*>(address), size, PROT_READ | PROT_WRITE,
                                              MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
  if (mapped < 0) {
    return Error::FromErrno(static_cast<int>(-mapped), fmt::format("{}: mapping it at {:#x}", what, address));
  }
  return Mapping(context, mapped, size);
}

}  // namespace strata::kernel
