// All elements of a map, one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "strata/object/map.h"

namespace strata {

// Reads ahead, many elements with each system call; see Map::ForEach for what concurrent changes do. Keeps the map
// alive. Not thread-safe.
class STRATA_EXPORT MapIterator {
 public:
  explicit MapIterator(const Map& map);

  // Goes to the first element, then to the next one; false behind the last one and after an error.
  bool Next();
  // Of the element that Next() went to, until it is called again.
  std::span<const std::byte> key() const;
  std::span<const std::byte> value() const;
  // What ended the iteration before its end, if anything did.
  const Result<void>& status() const { return status_; }

 private:
  void SetRoom(std::size_t rows);
  bool ReadBatch();

  Map map_;
  BatchCursor cursor_;
  std::vector<std::byte> keys_;
  std::vector<std::byte> values_;
  std::size_t count_ = 0;  // elements in keys_ and values_
  std::size_t next_ = 0;   // the one behind the current one
  Result<void> status_;
};

}  // namespace strata
