// Why something was refused, as text for people, built without heap or libc.
#pragma once

#include <cstdint>

namespace strata::runtime {

// A NUL-terminated text that is cut off where the room ends. A null Reason* means that nobody wants to know: the free
// functions below accept it.
struct Reason {
  char text[256] = {};
  std::uint32_t length = 0;
};

void Clear(Reason* reason) noexcept;
void Append(Reason* reason, const char* text) noexcept;
void Append(Reason* reason, std::int64_t number) noexcept;
inline void Append(Reason* reason, std::uint32_t number) noexcept { Append(reason, static_cast<std::int64_t>(number)); }
inline void Append(Reason* reason, std::int32_t number) noexcept { Append(reason, static_cast<std::int64_t>(number)); }
inline void Append(Reason* reason, std::uint64_t number) noexcept { Append(reason, static_cast<std::int64_t>(number)); }

// Replaces the text by all parts in order and returns `error` (a negative errno), so that a check is one line: return
// Refuse(reason, -EINVAL, "map ", id, ": bad magic").
template <typename... Parts>
long Refuse(Reason* reason, long error, Parts... parts) noexcept {
  Clear(reason);
  (Append(reason, parts), ...);
  return error;
}

}  // namespace strata::runtime
