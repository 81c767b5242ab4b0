// Files that the verbs write.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "strata/base/result.h"
#include "strata/base/unique_fd.h"

namespace strata::tools {

// A file beside the one that it will become: nobody sees half of it, and an error leaves nothing behind.
class NewFile {
 public:
  static Result<NewFile> Create(const std::string& path);
  NewFile(NewFile&& other) noexcept
      : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})), fd_(std::move(other.fd_)) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  Result<void> Write(std::span<const std::byte> bytes);

  // With the permissions that any new file gets.
  Result<void> Commit() &&;

 private:
  NewFile() = default;
  std::string path_;
  std::string temporary_;  // empty once there is none
  UniqueFd fd_;
};

}  // namespace strata::tools
