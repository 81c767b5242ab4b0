// A collection's BTF in the kernel.
#pragma once

#include <span>
#include <utility>

#include "context.h"
#include "strata/backend/backend.h"

namespace strata::kernel {

class KernelTypes : public BackendTypes {
 public:
  // The bytes of a .BTF section; an error has the kernel's log.
  static Result<std::shared_ptr<BackendTypes>> Load(const Context& context, std::span<const std::byte> btf);
  int fd() const { return fd_.get(); }

 private:
  explicit KernelTypes(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// What the kernel tells of the BTF behind `fd`.
Result<TypesInfo> ReadTypesInfo(const Context& context, int fd);

// The BTF with that id, a module's on top of the kernel's own.
Result<std::shared_ptr<const btf::Btf>> ReadTypes(const Context& context, std::uint32_t id, const KernelFacts& kernel);

}  // namespace strata::kernel
