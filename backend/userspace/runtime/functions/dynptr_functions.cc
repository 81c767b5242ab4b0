#include "functions.h"
#include "strata/backend/userspace/runtime/dynptr.h"

namespace strata::runtime {
namespace {

// Memory of a process is in one piece: the caller's buffer, for packets in several, is not needed.
std::uint64_t Slice(const Dynptr& pointer, std::uint64_t offset, std::uint64_t size) noexcept {
  const auto from = static_cast<std::uint32_t>(offset);
  if (IsNull(pointer) || CheckRange(pointer, from, static_cast<std::uint32_t>(size)) != 0) return 0;
  return AddressAt(pointer, from);
}

}  // namespace

STRATA_HELPER(FunctionDynptrAdjust) {
  auto& pointer = *PointerFrom<Dynptr>(r1);
  const auto start = static_cast<std::uint32_t>(r2);
  const auto end = static_cast<std::uint32_t>(r3);
  if (IsNull(pointer) || start > end) return Status(-EINVAL);
  const std::uint32_t size = SizeOf(pointer);
  if (start > size || end > size) return Status(-ERANGE);
  pointer.offset += start;
  pointer.size = (pointer.size & ~kMaxDynptrSize) | (end - start);
  return 0;
}

STRATA_HELPER(FunctionDynptrClone) {
  const auto& pointer = *PointerFrom<const Dynptr>(r1);
  auto& clone = *PointerFrom<Dynptr>(r2);
  if (IsNull(pointer)) {
    clone = {};
    return Status(-EINVAL);
  }
  clone = pointer;
  return 0;
}

STRATA_HELPER(FunctionDynptrIsNull) { return IsNull(*PointerFrom<const Dynptr>(r1)) ? 1 : 0; }

STRATA_HELPER(FunctionDynptrIsReadOnly) {
  const auto& pointer = *PointerFrom<const Dynptr>(r1);
  return !IsNull(pointer) && IsReadOnly(pointer) ? 1 : 0;
}

STRATA_HELPER(FunctionDynptrSize) {
  const auto& pointer = *PointerFrom<const Dynptr>(r1);
  return IsNull(pointer) ? static_cast<std::uint32_t>(-EINVAL) : SizeOf(pointer);
}

STRATA_HELPER(FunctionDynptrSlice) { return Slice(*PointerFrom<const Dynptr>(r1), r2, r4); }

STRATA_HELPER(FunctionDynptrSliceToWrite) {
  const auto& pointer = *PointerFrom<const Dynptr>(r1);
  return IsReadOnly(pointer) ? 0 : Slice(pointer, r2, r4);
}

}  // namespace strata::runtime
