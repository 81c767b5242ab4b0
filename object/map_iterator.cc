#include "strata/object/map_iterator.h"

#include <algorithm>

namespace strata {
namespace {

constexpr std::size_t kBatchBytes = std::size_t{64} << 10;
constexpr std::size_t kFewestRows = 32;

}  // namespace

MapIterator::MapIterator(const Map& map) : map_(map.Clone()) {
  const MapInfo& info = map_.info();
  const std::size_t row = std::max<std::size_t>(1, std::size_t{info.key_size} + info.element_size);
  const std::size_t rows = std::max(kFewestRows, kBatchBytes / row);
  SetRoom(std::clamp<std::size_t>(info.max_entries, 1, rows));
}

void MapIterator::SetRoom(std::size_t rows) {
  keys_.resize(rows * map_.info().key_size);
  values_.resize(rows * map_.info().element_size);
}

bool MapIterator::ReadBatch() {
  count_ = next_ = 0;
  while (count_ == 0 && !cursor_.is_at_end) {
    BatchResult batch = map_.LookupBatch(cursor_, keys_, values_);
    count_ = batch.count;
    if (batch) continue;
    const bool is_bucket_larger = batch.error().code() == ErrorCode::kNoSpace && batch.count == 0;
    const std::size_t rows = keys_.size() / std::max<std::size_t>(1, map_.info().key_size);
    // Sharing a bucket they cannot be more than all.
    if (is_bucket_larger && rows / 2 <= map_.info().max_entries) {
      SetRoom(rows * 2);
      continue;
    }
    status_ = std::move(batch.status);
    cursor_.is_at_end = true;  // what was read before the error is still handed out
  }
  return count_ > 0;
}

bool MapIterator::Next() {
  if (next_ == count_ && !ReadBatch()) return false;
  ++next_;
  return true;
}

std::span<const std::byte> MapIterator::key() const {
  const std::size_t size = map_.info().key_size;
  return std::span(keys_).subspan((next_ - 1) * size, size);
}

std::span<const std::byte> MapIterator::value() const {
  const std::size_t size = map_.info().element_size;
  return std::span(values_).subspan((next_ - 1) * size, size);
}

}  // namespace strata
