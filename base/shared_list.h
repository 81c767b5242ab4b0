// A list whose copies share one storage.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace strata {

// A value that reads like a const vector. Its elements never change, so copying it costs a counter, and it may be a
// part of something larger: a file in memory. To change it, take a vector out and assign it back:
//     auto code = function.instructions.ToVector();
//     code[4] = ...;
//     function.instructions = std::move(code);
// Different lists may be used from different threads, even where they share their storage.
template <typename T>
class SharedList {
 public:
  using value_type = T;
  using const_iterator = const T*;
  using iterator = const T*;

  SharedList() = default;
  SharedList(std::vector<T> values) {  // NOLINT(google-explicit-constructor): assigning one is how a list is changed
    auto owned = std::make_shared<const std::vector<T>>(std::move(values));
    values_ = *owned;
    owner_ = std::move(owned);
  }
  SharedList(std::initializer_list<T> values) : SharedList(std::vector<T>(values)) {}
  // Of values that `owner` keeps alive and unchanged.
  SharedList(std::shared_ptr<const void> owner, std::span<const T> values)
      : owner_(std::move(owner)), values_(values) {}

  std::size_t size() const { return values_.size(); }
  bool empty() const { return values_.empty(); }
  const T* data() const { return values_.data(); }
  const T* begin() const { return values_.data(); }
  const T* end() const { return values_.data() + values_.size(); }
  const T& operator[](std::size_t index) const { return values_[index]; }
  const T& front() const { return values_.front(); }
  const T& back() const { return values_.back(); }
  void clear() { *this = SharedList(); }

  std::vector<T> ToVector() const { return std::vector<T>(begin(), end()); }

  friend bool operator==(const SharedList& a, const SharedList& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const T> values_;
};

}  // namespace strata
