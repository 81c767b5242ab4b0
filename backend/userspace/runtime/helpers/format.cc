#include "format.h"

#include <asm/errno.h>

#include "../guarded_read.h"

namespace strata::runtime {
namespace {

// Counts all characters, keeps those for which there is room.
struct Output {
  char* out;
  std::size_t size;
  std::size_t length = 0;

  void Put(char c) {
    if (length + 1 < size) out[length] = c;
    ++length;
  }
  void Pad(std::size_t written, std::uint32_t width, char c) {
    for (std::size_t i = written; i < width; ++i) Put(c);
  }
  void Finish() {
    if (size != 0) out[length < size ? length : size - 1] = 0;
  }
};

struct Specifier {
  std::uint32_t width = 0;
  bool zero_padded = false;
  bool left = false;
  bool plus = false;
  bool space = false;
  bool is_long = false;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// "[0 +-][num]", as bpf_bprintf_prepare skips it.
const char* ParseFlags(const char* at, Specifier* specifier) {
  for (;; ++at) {
    if (*at == '0')
      specifier->zero_padded = true;
    else if (*at == '-')
      specifier->left = true;
    else if (*at == '+')
      specifier->plus = true;
    else if (*at == ' ')
      specifier->space = true;
    else
      break;
  }
  for (; IsDigit(*at); ++at) {
    if (specifier->width < 1000) specifier->width = specifier->width * 10 + static_cast<std::uint32_t>(*at - '0');
  }
  return at;
}

void PutNumber(Output& output, const Specifier& specifier, std::uint64_t magnitude, char sign, std::uint32_t base,
               bool upper) {
  char digits[24];
  char* const end = digits + sizeof(digits);
  char* first = end;
  do {
    const auto digit = static_cast<char>(magnitude % base);
    *--first = static_cast<char>(digit < 10 ? '0' + digit : (upper ? 'A' : 'a') + digit - 10);
    magnitude /= base;
  } while (magnitude != 0);
  const std::size_t written = static_cast<std::size_t>(end - first) + (sign != 0 ? 1 : 0);
  if (!specifier.left && !specifier.zero_padded) output.Pad(written, specifier.width, ' ');
  if (sign != 0) output.Put(sign);
  if (!specifier.left && specifier.zero_padded) output.Pad(written, specifier.width, '0');
  for (; first != end; ++first) output.Put(*first);
  if (specifier.left) output.Pad(written, specifier.width, ' ');
}

void PutSigned(Output& output, const Specifier& specifier, std::int64_t number) {
  char sign = 0;
  if (number < 0)
    sign = '-';
  else if (specifier.plus)
    sign = '+';
  else if (specifier.space)
    sign = ' ';
  const auto magnitude = static_cast<std::uint64_t>(number);
  PutNumber(output, specifier, number < 0 ? 0 - magnitude : magnitude, sign, 10, false);
}

// An address that cannot be read prints as an empty string.
void PutString(Process& process, Output& output, const Specifier& specifier, std::uint64_t address) {
  char text[512];  // MAX_BPRINTF_BUF
  const long length = GuardedReadString(process, text, address, sizeof(text));
  const std::size_t count = length > 0 ? static_cast<std::size_t>(length) - 1 : 0;
  if (!specifier.left) output.Pad(count, specifier.width, ' ');
  for (std::size_t i = 0; i < count; ++i) output.Put(text[i]);
  if (specifier.left) output.Pad(count, specifier.width, ' ');
}

void PutAddress(Output& output, std::uint64_t address) {
  Specifier specifier;
  specifier.width = 16;
  specifier.zero_padded = true;
  PutNumber(output, specifier, address, 0, 16, false);
}

// %pI4 and %pi4 (with leading zeros): the argument is the address of four bytes.
bool PutIpv4(Process& process, Output& output, std::uint64_t address, bool leading_zeros) {
  std::uint8_t bytes[4];
  if (GuardedRead(process, bytes, address, sizeof(bytes)) != 0) memset(bytes, 0, sizeof(bytes));
  Specifier specifier;
  specifier.zero_padded = true;
  specifier.width = leading_zeros ? 3 : 0;
  for (int i = 0; i < 4; ++i) {
    if (i > 0) output.Put('.');
    PutNumber(output, specifier, bytes[i], 0, 10, false);
  }
  return true;
}

// %pI6 (with colons) and %pi6.
bool PutIpv6(Process& process, Output& output, std::uint64_t address, bool colons) {
  std::uint8_t bytes[16];
  if (GuardedRead(process, bytes, address, sizeof(bytes)) != 0) memset(bytes, 0, sizeof(bytes));
  Specifier specifier;
  specifier.zero_padded = true;
  specifier.width = 2;
  for (int i = 0; i < 16; ++i) {
    if (colons && i > 0 && i % 2 == 0) output.Put(':');
    PutNumber(output, specifier, bytes[i], 0, 16, false);
  }
  return true;
}

// `at` is behind the 'p'. Null where the kernel refuses the extension.
const char* PutPointer(Process& process, Output& output, const Specifier& specifier, const char* at,
                       std::uint64_t argument) {
  const bool is_string = (at[0] == 'k' || at[0] == 'u') && at[1] == 's';
  if (is_string) return PutString(process, output, specifier, argument), at + 2;
  const bool is_ip = at[0] == 'i' || at[0] == 'I';
  if (is_ip && at[1] == '4') return PutIpv4(process, output, argument, at[0] == 'i'), at + 2;
  if (is_ip && at[1] == '6') return PutIpv6(process, output, argument, at[0] == 'I'), at + 2;
  if (is_ip) return nullptr;
  PutAddress(output, argument);
  // No symbols here: %pB, %ps, %pS print the address, like %p, %px and %pK.
  const bool is_extension = *at == 'x' || *at == 'K' || *at == 'B' || *at == 's' || *at == 'S';
  return is_extension ? at + 1 : at;
}

// One conversion; `at` is behind the '%' and its flags. Null where the kernel refuses it.
const char* PutConversion(Process& process, Output& output, Specifier specifier, const char* at,
                          std::uint64_t argument) {
  if (*at == 'p') return PutPointer(process, output, specifier, at + 1, argument);
  if (*at == 's') return PutString(process, output, specifier, argument), at + 1;
  if (*at == 'c') {
    if (!specifier.left) output.Pad(1, specifier.width, ' ');
    output.Put(static_cast<char>(argument));
    if (specifier.left) output.Pad(1, specifier.width, ' ');
    return at + 1;
  }
  if (*at == 'l') {
    specifier.is_long = true;
    at += at[1] == 'l' ? 2 : 1;
  }
  const std::uint64_t number = specifier.is_long ? argument : static_cast<std::uint32_t>(argument);
  switch (*at) {
    case 'd':
    case 'i':
      PutSigned(output, specifier,
                specifier.is_long ? static_cast<std::int64_t>(argument) : static_cast<std::int32_t>(argument));
      return at + 1;
    case 'u':
      PutNumber(output, specifier, number, 0, 10, false);
      return at + 1;
    case 'x':
      PutNumber(output, specifier, number, 0, 16, false);
      return at + 1;
    case 'X':
      PutNumber(output, specifier, number, 0, 16, true);
      return at + 1;
    default:
      return nullptr;
  }
}

}  // namespace

long Format(Process& process, char* out, std::size_t size, const char* format, std::size_t format_size,
            const std::uint64_t* arguments, std::uint32_t count) noexcept {
  // Copied nowhere: the text must end inside of the program's memory.
  if (format_size == 0) return -EINVAL;
  bool is_terminated = false;
  for (std::size_t i = 0; i < format_size && !is_terminated; ++i) is_terminated = format[i] == 0;
  if (!is_terminated) return -EINVAL;
  Output output{out, size};
  std::uint32_t used = 0;
  for (const char* at = format; *at != 0;) {
    const auto c = static_cast<unsigned char>(*at);
    if (c >= 0x80 || (c < 0x20 && c != '\n' && c != '\t' && c != '\r' && c != '\v' && c != '\f'))
      return -EINVAL;  // not printable, not space
    if (*at != '%') {
      output.Put(*at++);
      continue;
    }
    if (at[1] == '%') {
      output.Put('%');
      at += 2;
      continue;
    }
    if (used >= count) return -EINVAL;
    Specifier specifier;
    at = ParseFlags(at + 1, &specifier);
    at = PutConversion(process, output, specifier, at, arguments[used++]);
    if (at == nullptr) return -EINVAL;
  }
  output.Finish();
  return static_cast<long>(output.length);
}

}  // namespace strata::runtime
