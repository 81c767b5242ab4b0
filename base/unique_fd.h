// A file descriptor with one owner.
#pragma once

#include <utility>

#include "strata/base/result.h"

namespace strata {

class STRATA_EXPORT UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    Reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1);

  // A close-on-exec duplicate: another number for the same open file.
  Result<UniqueFd> Clone() const;

 private:
  int fd_ = -1;
};

}  // namespace strata
