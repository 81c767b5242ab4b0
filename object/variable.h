// A global variable of loaded objects: the memory that programs see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include "strata/backend/backend.h"
#include "strata/base/result.h"
#include "strata/spec/variable_spec.h"

namespace strata {

// Keeps the memory mapped. Reads and writes are plain copies: what a program writes meanwhile may be seen half done
// where the type is larger than a word.
class STRATA_EXPORT Variable {
 public:
  Variable(std::shared_ptr<MapMemory> memory, VariableSpec spec) : memory_(std::move(memory)), spec_(std::move(spec)) {}
  Variable(Variable&&) = default;
  Variable& operator=(Variable&&) = default;

  const std::string& name() const { return spec_.name; }
  bool is_read_only() const { return memory_->is_read_only(); }

  // The variable's bytes in the shared memory; writing to a read-only one is a fault.
  std::span<std::byte> bytes() const;

  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<T> Get()
  const {
    T value;
    if (sizeof(T) != spec_.value.size()) return SizeMismatch(sizeof(T));
    std::memcpy(&value, bytes().data(), sizeof(T));
    return value;
  }

  // The variable itself, shared with the programs, for std::atomic_ref and members; valid as long as this object. A
  // pointer to const is also had of a constant; kPermissionDenied otherwise.
  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<T*> Pointer()
  const {
    if (sizeof(T) != spec_.value.size()) return SizeMismatch(sizeof(T));
    if (reinterpret_cast<std::uintptr_t>(bytes().data()) % alignof(T) != 0) return Misaligned(alignof(T));
    if (!std::is_const_v<T> && is_read_only()) return ReadOnly();
    return reinterpret_cast<T*>(bytes().data());
  }

  // kPermissionDenied for a constant.
  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<void> Set(const T& value) {
    if (sizeof(T) != spec_.value.size()) return SizeMismatch(sizeof(T));
    if (is_read_only()) return ReadOnly();
    std::memcpy(bytes().data(), &value, sizeof(T));
    return {};
  }

 private:
  Error SizeMismatch(std::size_t given) const;
  Error ReadOnly() const;
  Error Misaligned(std::size_t alignment) const;

  std::shared_ptr<MapMemory> memory_;
  VariableSpec spec_;
};

}  // namespace strata
