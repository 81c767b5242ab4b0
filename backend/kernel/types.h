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

}  // namespace strata::kernel
