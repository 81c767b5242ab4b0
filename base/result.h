// Result<T>: a value or an Error, with the interface of C++23's std::expected, and STRATA_TRY.
#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "strata/base/error.h"

namespace strata {

// Thrown by Result::value() on an error, so that a main() may do without checks.
class STRATA_EXPORT BadResult : public std::exception {
 public:
  explicit BadResult(Error error) : error_(std::move(error)) {}
  const char* what() const noexcept override { return error_.message().c_str(); }
  const Error& error() const { return error_; }

 private:
  Error error_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;

  template <typename U = T>
  requires(std::is_constructible_v<T, U&&> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
           !std::is_same_v<std::remove_cvref_t<U>, Error>) Result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}            // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }

  T& value() & { return Checked(), **this; }
  const T& value() const& { return Checked(), **this; }
  T&& value() && { return Checked(), *std::move(*this); }
  template <typename U>
  T value_or(U&& other) && {
    return has_value() ? *std::move(*this) : static_cast<T>(std::forward<U>(other));
  }

  Error& error() & { return *std::get_if<1>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

  // This result, its error (if it is one) seen from one layer further out.
  Result Context(std::string_view context) && {
    if (has_value()) return std::move(*this);
    return std::move(error()).WithContext(context);
  }

 private:
  void Checked() const {
    if (!has_value()) throw BadResult(error());
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void operator*() const {}
  void value() const {
    if (!has_value()) throw BadResult(*error_);
  }
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }
  Result Context(std::string_view context) && {
    if (has_value()) return {};
    return std::move(*error_).WithContext(context);
  }

 private:
  std::optional<Error> error_;
};

}  // namespace strata

#define STRATA_INTERNAL_CONCAT2(a, b) a##b
#define STRATA_INTERNAL_CONCAT(a, b) STRATA_INTERNAL_CONCAT2(a, b)
#define STRATA_INTERNAL_TRY(name, ...)                     \
  __extension__({                                          \
    auto name = (__VA_ARGS__);                             \
    if (!name.has_value()) return std::move(name).error(); \
    *std::move(name);                                      \
  })

// The value of a Result expression; returns its error from the enclosing function when it has none.
#define STRATA_TRY(...) STRATA_INTERNAL_TRY(STRATA_INTERNAL_CONCAT(strata_try_, __COUNTER__), __VA_ARGS__)
