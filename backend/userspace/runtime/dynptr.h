// Dynamic pointers (struct bpf_dynptr of 16 bytes, on a program's stack): memory with a size that is known at run time.
// Checks and results are those of kernel/bpf/helpers.c.
#pragma once

#include <asm/errno.h>

#include <cstdint>

namespace strata::runtime {

// Laid out as the kernel's struct bpf_dynptr_kern.
struct Dynptr {
  std::uint64_t data;    // address; 0 for a null one
  std::uint32_t size;    // bytes in the low 24 bits, DynptrType in bits 28 to 30, read-only in bit 31
  std::uint32_t offset;  // bytes into `data` at which it starts
};
static_assert(sizeof(Dynptr) == 16);

enum class DynptrType : std::uint32_t { kInvalid, kLocal, kRing };

inline constexpr std::uint32_t kMaxDynptrSize = (1U << 24) - 1;  // bytes; DYNPTR_SIZE_MASK as well
inline constexpr std::uint32_t kDynptrTypeShift = 28;
inline constexpr std::uint32_t kDynptrReadOnly = 1U << 31;

inline bool IsNull(const Dynptr& pointer) noexcept { return pointer.data == 0; }
inline bool IsReadOnly(const Dynptr& pointer) noexcept { return (pointer.size & kDynptrReadOnly) != 0; }
inline std::uint32_t SizeOf(const Dynptr& pointer) noexcept { return pointer.size & kMaxDynptrSize; }

// Sizes up to kMaxDynptrSize.
inline Dynptr MakeDynptr(std::uint64_t data, DynptrType type, std::uint32_t size_bytes) noexcept {
  return {data, size_bytes | static_cast<std::uint32_t>(type) << kDynptrTypeShift, 0};
}

// -E2BIG when the bytes do not lie inside.
inline long CheckRange(const Dynptr& pointer, std::uint32_t offset, std::uint32_t size_bytes) noexcept {
  const std::uint32_t size = SizeOf(pointer);
  return size_bytes > size || offset > size - size_bytes ? -E2BIG : 0;
}

inline std::uint64_t AddressAt(const Dynptr& pointer, std::uint32_t offset) noexcept {
  return pointer.data + pointer.offset + offset;
}

}  // namespace strata::runtime
