#include "value_copy.h"

#include "strata/backend/userspace/runtime/spin_lock.h"

namespace strata::runtime {
namespace {

struct Field {
  std::uint32_t offset;
  std::uint32_t size_bytes;
};

// Of the value, in the order of their offsets; absent ones lie at its end.
struct Fields {
  Field first;
  Field second;
};

Fields FieldsOf(const MapView& map) {
  const auto field = [&](std::uint32_t offset, std::uint32_t size) {
    return offset == kNoField ? Field{map.value_size, 0} : Field{offset, size};
  };
  const Field lock = field(map.spin_lock_offset, kSpinLockSize);
  const Field timer = field(map.timer_offset, kTimerSize);
  return lock.offset <= timer.offset ? Fields{lock, timer} : Fields{timer, lock};
}

std::uint32_t* LockOf(const MapView& map, void* value) {
  return reinterpret_cast<std::uint32_t*>(static_cast<std::byte*>(value) + map.spin_lock_offset);
}

}  // namespace

void CopyAroundFields(const MapView& map, void* to, const void* from) noexcept {
  const Fields fields = FieldsOf(map);
  const auto copy = [&](std::uint32_t begin, std::uint32_t end) {
    if (begin < end)
      memcpy(static_cast<std::byte*>(to) + begin, static_cast<const std::byte*>(from) + begin, end - begin);
  };
  copy(0, fields.first.offset);
  copy(fields.first.offset + fields.first.size_bytes, fields.second.offset);
  copy(fields.second.offset + fields.second.size_bytes, map.value_size);
}

void ClearFields(const MapView& map, void* value) noexcept {
  const Fields fields = FieldsOf(map);
  const auto clear = [&](const Field& field) {
    memset(static_cast<std::byte*>(value) + field.offset, 0, field.size_bytes);
  };
  clear(fields.first);
  clear(fields.second);
}

long StoreValueLocked(const MapView& map, void* to, const void* from) noexcept {
  if (!HasSpinLock(map)) return -EINVAL;
  if (!TakeSpinLock(*map.process, LockOf(map, to), CurrentOwner(*map.process))) return -EBUSY;
  CopyAroundFields(map, to, from);
  DropSpinLock(LockOf(map, to));
  return 0;
}

long LoadValueLocked(const MapView& map, void* to, void* from) noexcept {
  if (!HasSpinLock(map)) return -EINVAL;
  if (!TakeSpinLock(*map.process, LockOf(map, from), CurrentOwner(*map.process))) return -EBUSY;
  CopyValue(to, from, map.value_size);
  DropSpinLock(LockOf(map, from));
  ClearFields(map, to);
  return 0;
}

}  // namespace strata::runtime
