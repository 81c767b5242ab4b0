// Batches element by element, for backends, kernels and kinds that have no other.
#include "strata/backend/map_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "strata/backend/backend.h"
#include "strata/backend/map_errors.h"
#include "strata/spec/map_rules.h"

namespace strata {
namespace {

constexpr std::size_t kTrailLength = 16;  // keys

BatchResult Stopped(std::uint32_t count, Error error) { return {count, false, std::move(error)}; }

// Reads keys from the cursor on. A key that was deleted makes the backend start again at the first one, so the answer
// for the next key counts only where the key was seen to exist after it was asked.
class KeyWalk {
 public:
  KeyWalk(BackendMap& map, BatchCursor& cursor, BatchAction action, std::span<std::byte> keys,
          std::span<std::byte> values, LookupMode mode)
      : map_(map), cursor_(cursor), action_(action), keys_(keys), values_(values), mode_(mode), next_(KeySize()) {}

  BatchResult Run() {
    auto status = ReadAll();
    LeaveTrail();
    return {count_, cursor_.is_at_end, std::move(status)};
  }

 private:
  std::size_t KeySize() const { return map_.info().key_size; }
  std::size_t Room() const { return keys_.size() / KeySize(); }

  Result<void> ReadAll() {
    if (cursor_.state == BatchCursor::State::kStart) STRATA_TRY(GoToFirst());
    const std::uint64_t most_steps = std::uint64_t{map_.info().max_entries} * 4 + 16;
    while (count_ < Room() && !cursor_.is_at_end) {
      if (++cursor_.step_count > most_steps) return Aborted();
      STRATA_TRY(ReadOne());
    }
    return {};
  }

  Result<void> GoToFirst() {
    cursor_.state = BatchCursor::State::kByKey;
    cursor_.position.resize(KeySize());
    cursor_.is_at_end = !STRATA_TRY(map_.NextKey(std::nullopt, cursor_.position));
    return {};
  }

  Result<void> ReadOne() {
    const bool has_next = STRATA_TRY(map_.NextKey(std::span<const std::byte>(cursor_.position), next_));
    const bool is_there = STRATA_TRY(ReadElement());
    if (is_there) {
      std::copy(cursor_.position.begin(), cursor_.position.end(), keys_.begin() + Offset(count_, KeySize()));
      ++count_;
      is_fresh_ = false;
    } else if (!HasTrait(map_.info().type, map_traits::kIndexed)) {
      return Recover();
    }
    GoTo(has_next);
    return {};
  }

  static std::ptrdiff_t Offset(std::size_t index, std::size_t size) {
    return static_cast<std::ptrdiff_t>(index * size);
  }

  void GoTo(bool has_next) {
    cursor_.is_at_end = !has_next;
    std::swap(cursor_.position, next_);
  }

  Result<bool> ReadElement() {
    const std::size_t size = map_.info().element_size;
    const auto value = values_.subspan(count_ * size, size);
    const std::span<const std::byte> key = cursor_.position;
    const bool is_locked = mode_ == LookupMode::kLock;
    if (action_ == BatchAction::kTake) {
      if (map_.info().type == MapType::kHashOfMaps) return TakeId(key, value);
      return is_locked ? map_.LookupAndDeleteLocked(key, value) : map_.LookupAndDelete(key, value);
    }
    return is_locked ? map_.LookupLocked(key, value) : map_.Lookup(key, value);
  }

  // The kernel takes ids out of hashes of maps in batches, though not one by one.
  Result<bool> TakeId(std::span<const std::byte> key, std::span<std::byte> id) {
    if (mode_ == LookupMode::kLock) return map_.LookupAndDeleteLocked(key, id);
    const bool is_there = STRATA_TRY(map_.Lookup(key, id));
    if (!is_there) return false;
    return map_.Delete(key);
  }

  // The key at the cursor is gone: goes on behind one that was read before it and is still there.
  Result<void> Recover() {
    if (action_ == BatchAction::kTake) return GoToFirst();  // what was read is no longer in the map
    std::vector<std::byte> value(map_.info().element_size);
    for (std::size_t i = 0; i < kTrailLength; ++i) {
      const auto key = ReadBefore(i);
      if (key.empty()) break;
      const bool has_next = STRATA_TRY(map_.NextKey(key, next_));
      if (!STRATA_TRY(map_.Lookup(key, value))) continue;
      GoTo(has_next);
      return {};
    }
    return is_fresh_ && cursor_.trail.empty() ? GoToFirst() : Aborted();
  }

  // The key that was read `steps` keys before the last one; nothing when that is not known.
  std::span<const std::byte> ReadBefore(std::size_t steps) const {
    if (steps < count_) return std::span<const std::byte>(keys_).subspan((count_ - 1 - steps) * KeySize(), KeySize());
    const std::size_t left = steps - count_ + 1;
    if (left * KeySize() > cursor_.trail.size()) return {};
    return std::span<const std::byte>(cursor_.trail).subspan(cursor_.trail.size() - left * KeySize(), KeySize());
  }

  void LeaveTrail() {
    if (action_ == BatchAction::kTake) return;
    const std::size_t kept = std::min<std::size_t>(count_, kTrailLength);
    const auto last = keys_.subspan((count_ - kept) * KeySize(), kept * KeySize());
    cursor_.trail.insert(cursor_.trail.end(), last.begin(), last.end());
    if (const std::size_t most = kTrailLength * KeySize(); cursor_.trail.size() > most) {
      cursor_.trail.erase(cursor_.trail.begin(), cursor_.trail.end() - static_cast<std::ptrdiff_t>(most));
    }
  }

  Error Aborted() const {
    return Error(ErrorCode::kBusy,
                 fmt::format("map {}: iteration: keys were deleted under the cursor", map_.info().name));
  }

  BackendMap& map_;
  BatchCursor& cursor_;
  BatchAction action_;
  std::span<std::byte> keys_;
  std::span<std::byte> values_;
  LookupMode mode_;
  std::vector<std::byte> next_;
  std::uint32_t count_ = 0;
  bool is_fresh_ = true;  // nothing was read yet
};

}  // namespace

BatchResult BackendMap::LookupBatch(BatchCursor& cursor, BatchAction action, std::span<std::byte> keys,
                                    std::span<std::byte> values, LookupMode mode) {
  if (info().key_size == 0) return Stopped(0, ElementError(info(), EOPNOTSUPP, "batch lookup"));
  return KeyWalk(*this, cursor, action, keys, values, mode).Run();
}

BatchResult BackendMap::UpdateBatch(std::span<const std::byte> keys, std::span<const std::byte> values,
                                    UpdateMode mode) {
  const std::size_t key_size = info().key_size;
  const std::size_t value_size = info().element_size;
  if (key_size == 0) return Stopped(0, ElementError(info(), EOPNOTSUPP, "batch update"));
  for (std::size_t i = 0; i < keys.size() / key_size; ++i) {
    auto done = Update(keys.subspan(i * key_size, key_size), values.subspan(i * value_size, value_size), mode);
    if (!done) return Stopped(static_cast<std::uint32_t>(i), std::move(done).error());
  }
  return {static_cast<std::uint32_t>(keys.size() / key_size), false, {}};
}

BatchResult BackendMap::DeleteBatch(std::span<const std::byte> keys) {
  const std::size_t key_size = info().key_size;
  if (key_size == 0) return Stopped(0, ElementError(info(), EOPNOTSUPP, "batch delete"));
  for (std::size_t i = 0; i < keys.size() / key_size; ++i) {
    auto deleted = Delete(keys.subspan(i * key_size, key_size));
    if (!deleted) return Stopped(static_cast<std::uint32_t>(i), std::move(deleted).error());
    if (!*deleted) return Stopped(static_cast<std::uint32_t>(i), ElementError(info(), ENOENT, "batch delete"));
  }
  return {static_cast<std::uint32_t>(keys.size() / key_size), false, {}};
}

}  // namespace strata
