// What a sanitizer changes for a test.
#pragma once

namespace strata::test {

// It sees the order that threads of one process make among themselves, none that goes by way of another process.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kHasThreadSanitizer = true;
#else
inline constexpr bool kHasThreadSanitizer = false;
#endif

}  // namespace strata::test
