// Memory for what the engine never gives back: sites, probes, chains of returns. Zeroed, in cache lines.
#pragma once

#include <cstddef>

namespace strata::attach {

// Null when the system has none. Any thread, also in a hook.
void* AllocateForEver(std::size_t size_bytes) noexcept;

template <typename T>
T* MakeForEver() noexcept {
  return static_cast<T*>(AllocateForEver(sizeof(T)));
}

}  // namespace strata::attach
