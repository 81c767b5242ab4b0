// A network interface that programs attach to.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "strata/base/export.h"
#include "strata/base/result.h"

namespace strata {

// By name ("eth0") or index; functions that take one may be given either. Names are looked up in the network namespace
// of the calling thread, when they are used.
class STRATA_EXPORT Interface {
 public:
  Interface(const char* name) : name_(name) {}             // NOLINT: implicit on purpose
  Interface(std::string name) : name_(std::move(name)) {}  // NOLINT: implicit on purpose
  Interface(std::uint32_t index) : index_(index) {}        // NOLINT: implicit on purpose

  // kNotFound names what does not exist.
  Result<std::uint32_t> Index() const;
  // "eth0", or the index.
  std::string ToString() const;

 private:
  std::string name_;
  std::uint32_t index_ = 0;
};

}  // namespace strata
