#include "../maps/ops.h"
#include "functions.h"
#include "strata/backend/userspace/runtime/dynptr.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"

namespace strata::runtime {
namespace {

// A call that fails leaves a null pointer behind, which every other call takes.
std::uint64_t FailWith(long error, Dynptr* out) noexcept {
  *out = {};
  return Status(error);
}

void EndDynptr(Dynptr* pointer, RecordEnd end, std::uint64_t flags, RunContext* run) noexcept {
  if (IsNull(*pointer)) return;
  EndInRun(*run, PointerFrom<void>(pointer->data), end, flags);
  *pointer = {};
}

}  // namespace

STRATA_HELPER(HelperDynptrFromMemory) {
  auto* out = PointerFrom<Dynptr>(r4);
  const auto size = static_cast<std::uint32_t>(r2);
  if (size > kMaxDynptrSize) return FailWith(-E2BIG, out);
  if (r3 != 0) return FailWith(-EINVAL, out);
  *out = MakeDynptr(r1, DynptrType::kLocal, size);
  return 0;
}

STRATA_HELPER(HelperRingReserveDynptr) {
  auto& map = *PointerFrom<MapView>(r1);
  auto* out = PointerFrom<Dynptr>(r4);
  const auto size = static_cast<std::uint32_t>(r2);
  if (r3 != 0) return FailWith(-EINVAL, out);
  if (size > kMaxDynptrSize) return FailWith(-E2BIG, out);
  if ((map.ops->traits & map_traits::kRing) == 0) return FailWith(-EINVAL, out);
  void* payload = ReserveInRun(*run, map, size);
  if (payload == nullptr) return FailWith(-EINVAL, out);
  *out = MakeDynptr(reinterpret_cast<std::uint64_t>(payload), DynptrType::kRing, size);
  return 0;
}

STRATA_HELPER(HelperRingSubmitDynptr) {
  EndDynptr(PointerFrom<Dynptr>(r1), RecordEnd::kSubmit, r2, run);
  return 0;
}

STRATA_HELPER(HelperRingDiscardDynptr) {
  EndDynptr(PointerFrom<Dynptr>(r1), RecordEnd::kDiscard, r2, run);
  return 0;
}

STRATA_HELPER(HelperDynptrRead) {
  const auto& from = *PointerFrom<const Dynptr>(r3);
  const auto size = static_cast<std::uint32_t>(r2);
  const auto offset = static_cast<std::uint32_t>(r4);
  if (IsNull(from) || r5 != 0) return Status(-EINVAL);
  const long error = CheckRange(from, offset, size);
  if (error == 0) memmove(PointerFrom<void>(r1), PointerFrom<const void>(AddressAt(from, offset)), size);
  return Status(error);
}

STRATA_HELPER(HelperDynptrWrite) {
  const auto& to = *PointerFrom<const Dynptr>(r1);
  const auto offset = static_cast<std::uint32_t>(r2);
  const auto size = static_cast<std::uint32_t>(r4);
  if (IsNull(to) || IsReadOnly(to)) return Status(-EINVAL);
  const long error = CheckRange(to, offset, size);
  if (error != 0) return Status(error);
  if (r5 != 0) return Status(-EINVAL);
  memmove(PointerFrom<void>(AddressAt(to, offset)), PointerFrom<const void>(r3), size);
  return 0;
}

STRATA_HELPER(HelperDynptrData) {
  const auto& pointer = *PointerFrom<const Dynptr>(r1);
  const auto offset = static_cast<std::uint32_t>(r2);
  if (IsNull(pointer) || CheckRange(pointer, offset, static_cast<std::uint32_t>(r3)) != 0 || IsReadOnly(pointer))
    return 0;
  return AddressAt(pointer, offset);
}

}  // namespace strata::runtime
