// The strings of a BTF that is being written: each is kept once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strata/btf/btf.h"

namespace strata::btf {

// Offsets continue where those of the base end, and strings that the base has are not written again. Not thread-safe.
class STRATA_EXPORT StringTable {
 public:
  explicit StringTable(std::shared_ptr<const Btf> base = nullptr);

  // The offset of `text`, which ends at its first NUL.
  std::uint32_t Add(std::string_view text);

  // Valid until the next Add(); empty for an offset outside of the table.
  std::string_view At(std::uint32_t offset) const;

  // What is written: own strings only, each with its NUL.
  const std::string& bytes() const { return own_; }

 private:
  void AddBase();
  std::uint32_t* SlotOf(std::string_view text);
  void Insert(std::uint32_t offset);
  void Grow();

  std::shared_ptr<const Btf> base_;
  std::uint32_t first_own_ = 0;  // offset of own_[0]
  std::string own_;
  std::vector<std::uint32_t> slots_;  // a hash table of offsets; 0 is a free slot, as no other string is empty
  std::size_t used_ = 0;
};

}  // namespace strata::btf
