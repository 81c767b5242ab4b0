// The source lines of one function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <span>
#include <vector>

#include "strata/base/export.h"
#include "strata/btf/ext_info.h"

namespace strata::btf {

// A value that reads like a const list of LineInfo, sorted by instruction, and is kept as .BTF.ext writes it, so that
// it may be a part of a file in memory. Copies share their storage. To change it, take a vector out and assign it back.
class STRATA_EXPORT LineInfos {
 public:
  using value_type = LineInfo;
  static constexpr std::size_t kRecordSize = 16;

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = LineInfo;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = LineInfo;
    Iterator() = default;
    Iterator(const LineInfos* list, std::size_t index) : list_(list), index_(index) {}
    LineInfo operator*() const { return (*list_)[index_]; }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++index_;
      return before;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const LineInfos* list_ = nullptr;
    std::size_t index_ = 0;
  };
  using iterator = Iterator;
  using const_iterator = Iterator;

  LineInfos() = default;
  LineInfos(const std::vector<LineInfo>& infos);  // NOLINT(google-explicit-constructor): how a list is changed
  LineInfos(std::initializer_list<LineInfo> infos) : LineInfos(std::vector<LineInfo>(infos)) {}
  // Whole records in host byte order that `owner` keeps alive and unchanged. Instructions count from `start`.
  LineInfos(std::shared_ptr<const void> owner, std::span<const std::byte> records, isa::InsnIndex start);

  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  LineInfo operator[](std::size_t index) const;
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, count_}; }
  void clear() { *this = LineInfos(); }

  std::vector<LineInfo> ToVector() const { return std::vector<LineInfo>(begin(), end()); }

  bool operator==(const LineInfos& other) const;

 private:
  std::shared_ptr<const void> owner_;
  const std::byte* records_ = nullptr;
  std::uint32_t count_ = 0;
  isa::InsnIndex start_;
};

}  // namespace strata::btf
