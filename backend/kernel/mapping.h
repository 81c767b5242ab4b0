// A window of a descriptor's memory.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <string>
#include <utility>

#include "context.h"

namespace strata::kernel {

// Move-only; unmapped with the object.
class Mapping {
 public:
  static Result<Mapping> Make(const ContextPtr& context, int fd, std::size_t size, int protection, off_t offset,
                              const std::string& what);
  // Exactly there; kSystem with EEXIST where something is already.
  static Result<Mapping> MakeAt(const ContextPtr& context, std::uint64_t address, int fd, std::size_t size,
                                const std::string& what);
  Mapping(Mapping&& other) noexcept
      : context_(std::move(other.context_)), data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Mapping() {
    if (data_ != nullptr) context_->syscalls->Munmap(data_, size_);
  }
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  Mapping(ContextPtr context, long address, std::size_t size)
      : context_(std::move(context)), data_(reinterpret_cast<std::byte*>(address)), size_(size) {}
  ContextPtr context_;
  std::byte* data_;
  std::size_t size_;
};

}  // namespace strata::kernel
