// Functions of the process that embeds the library, which programs may call: the userspace backend's counterpart of
// kfuncs. docs/host-functions.md has an example.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "strata/base/export.h"
#include "strata/spec/function_signature.h"

namespace strata {

// A function by the name that programs declare in `.ksyms`. It is called wherever a program runs: in the middle of
// other functions, on any thread, perhaps in a signal handler. It must be safe there, as a signal handler is.
struct HostFunction {
  std::string name;  // an identifier of C, at most 58 characters
  FunctionSignature signature;
  const void* address = nullptr;
};

template <typename T>
constexpr ValueKind ValueKindOf() {
  static_assert(std::is_void_v<T> || std::is_pointer_v<T> || std::is_integral_v<T> || std::is_enum_v<T>,
                "programs have integers and pointers only");
  if constexpr (std::is_void_v<T>) {
    return ValueKind::kVoid;
  } else if constexpr (std::is_pointer_v<T>) {
    return ValueKind::kPointer;
  } else {
    static_assert(sizeof(T) <= 8, "registers have 8 bytes");
    return static_cast<ValueKind>(sizeof(T));
  }
}

// With the prototype of the C++ function, which must not throw.
template <typename R, typename... Parameters>
HostFunction MakeHostFunction(std::string name, R (*function)(Parameters...) noexcept) {
  static_assert(sizeof...(Parameters) <= kMaxParameters, "programs pass at most five arguments");
  HostFunction host{std::move(name), {}, reinterpret_cast<const void*>(function)};
  host.signature.result = ValueKindOf<R>();
  host.signature.parameter_count = sizeof...(Parameters);
  std::uint32_t i = 0;
  ((host.signature.parameters[i++] = ValueKindOf<Parameters>()), ...);
  return host;
}

// Serves it while it lives; to be kept until no program that calls it is attached or run in this process.
class STRATA_EXPORT HostFunctionGuard {
 public:
  virtual ~HostFunctionGuard() = default;
};

}  // namespace strata
