// A whole file as bytes, read-only.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "strata/base/result.h"

namespace strata {

// The bytes stay valid, at the same address, for the life of the object; moving it keeps them. Regular files only. The
// file's content is copied into memory, so a writer that truncates it meanwhile cannot cause SIGBUS.
class STRATA_EXPORT MappedFile {
 public:
  static Result<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile() = default;

  std::span<const std::byte> bytes() const { return {data_.get(), size_bytes_}; }
  const std::string& path() const { return path_; }

 private:
  MappedFile() = default;
  std::string path_;
  std::unique_ptr<std::byte[]> data_;
  std::size_t size_bytes_ = 0;
};

}  // namespace strata
