// The bytes of a BTF, owned: on the heap, or mapped from the kernel.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "strata/base/result.h"

namespace strata::btf {

// The bytes keep their address when the object is moved.
class STRATA_EXPORT FileBytes {
 public:
  FileBytes() = default;
  explicit FileBytes(std::vector<std::byte> bytes);

  // Files of sysfs never change, so they are mapped where the kernel can (Linux 6.16). Errors name the path.
  static Result<FileBytes> Open(const std::string& path);

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  FileBytes(std::shared_ptr<const void> owner, std::span<const std::byte> bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}

  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
};

}  // namespace strata::btf
