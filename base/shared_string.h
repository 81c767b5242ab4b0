// A string whose copies share one storage.
#pragma once

#include <atomic>
#include <compare>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "strata/base/export.h"

namespace strata {

// A value of pointer size for names that many records have in common. Its text never changes; assign another one.
// Different strings may be used from different threads, even where they share their storage.
class STRATA_EXPORT SharedString {
 public:
  SharedString() = default;
  template <std::convertible_to<std::string_view> Text>
  SharedString(const Text& text)  // NOLINT(google-explicit-constructor): a string like any other
      : storage_(Store(std::string_view(text))) {}
  SharedString(const SharedString& other) : storage_(other.storage_) {
    if (storage_ != nullptr) storage_->users.fetch_add(1, std::memory_order_relaxed);
  }
  SharedString(SharedString&& other) noexcept : storage_(std::exchange(other.storage_, nullptr)) {}
  SharedString& operator=(SharedString other) noexcept {
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~SharedString() { Release(); }

  std::string_view view() const {
    return storage_ != nullptr ? std::string_view(storage_->text()) : std::string_view();
  }
  operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor): a string like any other
  explicit operator std::string() const { return std::string(view()); }
  bool empty() const { return storage_ == nullptr; }
  std::size_t size() const { return view().size(); }

  friend bool operator==(const SharedString& a, const SharedString& b) { return a.view() == b.view(); }
  friend std::strong_ordering operator<=>(const SharedString& a, const SharedString& b) {
    return a.view() <=> b.view();
  }
  // With strings of other kinds, which need no conversion.
  template <std::convertible_to<std::string_view> Text>
  friend bool operator==(const SharedString& a, const Text& b) {
    return a.view() == std::string_view(b);
  }
  template <std::convertible_to<std::string_view> Text>
  friend std::strong_ordering operator<=>(const SharedString& a, const Text& b) {
    return a.view() <=> std::string_view(b);
  }

 private:
  // Followed by the text.
  struct Storage {
    std::atomic<std::size_t> users;
    std::size_t size_bytes;
    std::string_view text() const { return {reinterpret_cast<const char*>(this + 1), size_bytes}; }
  };
  static Storage* Store(std::string_view text);  // null for an empty one
  void Release();

  Storage* storage_ = nullptr;
};

}  // namespace strata
