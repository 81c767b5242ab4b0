#include "strata/backend/userspace/runtime/reason.h"

namespace strata::runtime {

void Clear(Reason* reason) noexcept {
  if (reason == nullptr) return;
  reason->length = 0;
  reason->text[0] = 0;
}

void Append(Reason* reason, const char* text) noexcept {
  if (reason == nullptr) return;
  while (*text != 0 && reason->length + 1 < sizeof(reason->text)) reason->text[reason->length++] = *text++;
  reason->text[reason->length] = 0;
}

void Append(Reason* reason, std::int64_t number) noexcept {
  char digits[24];
  char* at = digits + sizeof(digits);
  *--at = 0;
  const bool is_negative = number < 0;
  std::uint64_t rest = is_negative ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
  do {
    *--at = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  if (is_negative) *--at = '-';
  Append(reason, at);
}

}  // namespace strata::runtime
