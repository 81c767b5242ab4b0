#include "format.h"

#include <asm/errno.h>

#include "../guarded_read.h"

namespace strata::runtime {
namespace {

constexpr std::size_t kArgumentBytes = 512;  // MAX_BPRINTF_BIN_ARGS

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The classes of lib/ctype.c, for which bytes above ASCII are Latin-1: its letters, the no-break space, and signs.
bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }
bool IsAlphanumeric(char c) {
  if (IsAscii(c)) return IsDigit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0xc0 && byte != 0xd7 && byte != 0xf7;
}
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || static_cast<unsigned char>(c) == 0xa0; }
bool IsPrintable(char c) { return IsAscii(c) ? c >= 0x20 && c < 0x7f : static_cast<unsigned char>(c) >= 0xa0; }
// What may stand behind a string's or a plain pointer's conversion.
bool EndsConversion(char c) { return c == 0 || IsSpace(c) || (IsPrintable(c) && !IsAlphanumeric(c)); }

enum class Conversion : std::uint8_t {
  kSigned,
  kUnsigned,
  kLowerHex,
  kUpperHex,
  kCharacter,
  kString,   // a copy of it is among the arguments
  kText,     // the same, printed as it is, whatever the width
  kPointer,  // 16 digits
  kSymbol,   // the address as 0x...: symbols are not known here
};

// One "%...": its flags, and how many bytes its argument takes.
struct Specifier {
  Conversion conversion = Conversion::kSigned;
  std::uint32_t width = 0;
  bool zero_padded = false;
  bool left = false;
  bool plus = false;
  bool space = false;
  std::uint32_t integer_bytes = 4;
  char address_family = 0;  // of kText: 4 or 6, 0 for a string
  bool is_lower = false;    // %pi4, %pi6
};

// "[0 +-][num]", as bpf_bprintf_prepare skips it.
const char* ParseFlags(const char* at, Specifier* out) {
  constexpr std::uint32_t kMostWidth = 4096;
  for (;; ++at) {
    if (*at == '0')
      out->zero_padded = true;
    else if (*at == '-')
      out->left = true;
    else if (*at == '+')
      out->plus = true;
    else if (*at == ' ')
      out->space = true;
    else
      break;
  }
  for (; IsDigit(*at); ++at) {
    if (out->width < kMostWidth) out->width = out->width * 10 + static_cast<std::uint32_t>(*at - '0');
  }
  return at;
}

// `at` is behind the 'p'. What follows an extension is skipped with it, letters and digits (lib/vsprintf.c).
const char* ParsePointer(const char* at, Specifier* out) {
  const char* behind = at;
  while (IsAlphanumeric(*behind)) ++behind;
  out->conversion = Conversion::kPointer;
  out->integer_bytes = 8;
  if (EndsConversion(*at)) return at;
  if ((at[0] == 'k' || at[0] == 'u') && at[1] == 's') {
    out->conversion = Conversion::kText;
    return EndsConversion(at[2]) ? at + 2 : nullptr;
  }
  if (*at == 'K' || *at == 'x') return behind;
  if (*at == 's' || *at == 'S' || *at == 'B') {
    out->conversion = Conversion::kSymbol;
    return behind;
  }
  if ((at[0] != 'i' && at[0] != 'I') || (at[1] != '4' && at[1] != '6')) return nullptr;
  out->conversion = Conversion::kText;
  out->address_family = at[1];
  out->is_lower = at[0] == 'i';
  return behind;
}

const char* ParseInteger(const char* at, Specifier* out) {
  for (int i = 0; i < 2 && *at == 'l'; ++i, ++at) out->integer_bytes = 8;
  switch (*at) {
    case 'd':
    case 'i':
      out->conversion = Conversion::kSigned;
      return at + 1;
    case 'u':
      out->conversion = Conversion::kUnsigned;
      return at + 1;
    case 'x':
      out->conversion = Conversion::kLowerHex;
      return at + 1;
    case 'X':
      out->conversion = Conversion::kUpperHex;
      return at + 1;
    default:
      return nullptr;
  }
}

// `at` is behind the '%'; null for a conversion that the kernel refuses.
const char* ParseSpecifier(const char* at, Specifier* out) {
  at = ParseFlags(at, out);
  if (*at == 'p') return ParsePointer(at + 1, out);
  if (*at == 's') {
    out->conversion = Conversion::kString;
    return EndsConversion(at[1]) ? at + 1 : nullptr;
  }
  if (*at == 'c') {
    out->conversion = Conversion::kCharacter;
    return at + 1;
  }
  return ParseInteger(at, out);
}

// Calls `print` for each specifier, and for the text between them with a null one. Ends with what does not return 0.
template <typename Visit>
long ForEachPart(const char* format, Visit visit) {
  for (const char* at = format; *at != 0;) {
    const char* begin = at;
    while (*at != 0 && *at != '%') ++at;
    if (at != begin) {
      if (const long error = visit(nullptr, begin, at); error != 0) return error;
      continue;
    }
    if (at[1] == '%') {
      if (const long error = visit(nullptr, at, at + 1); error != 0) return error;
      at += 2;
      continue;
    }
    Specifier specifier;
    at = ParseSpecifier(at + 1, &specifier);
    if (at == nullptr) return -EINVAL;
    if (const long error = visit(&specifier, begin, at); error != 0) return error;
  }
  return 0;
}

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

void PutPadded(Output& output, const Specifier& specifier, const char* text, std::size_t count) {
  if (!specifier.left) output.Pad(count, specifier.width, ' ');
  for (std::size_t i = 0; i < count; ++i) output.Put(text[i]);
  if (specifier.left) output.Pad(count, specifier.width, ' ');
}

void PutPointer(Output& output, Specifier specifier, std::uint64_t address) {
  if (specifier.width == 0) {
    specifier.width = 16;
    specifier.zero_padded = true;
  }
  PutNumber(output, specifier, address, 0, 16, false);
}

void PutSymbol(Output& output, const Specifier& specifier, std::uint64_t address) {
  char text[24];
  Output inner{text, sizeof(text)};
  inner.Put('0');
  inner.Put('x');
  PutNumber(inner, {}, address, 0, 16, false);
  PutPadded(output, specifier, text, inner.length);
}

// "%pI4" and "%pi4" (with leading zeros).
void PutIpv4(Output& output, const std::uint8_t* bytes, bool leading_zeros) {
  Specifier specifier;
  specifier.zero_padded = true;
  specifier.width = leading_zeros ? 3 : 0;
  for (int i = 0; i < 4; ++i) {
    if (i > 0) output.Put('.');
    PutNumber(output, specifier, bytes[i], 0, 10, false);
  }
}

// "%pI6" (with colons) and "%pi6".
void PutIpv6(Output& output, const std::uint8_t* bytes, bool colons) {
  Specifier specifier;
  specifier.zero_padded = true;
  specifier.width = 2;
  for (int i = 0; i < 16; ++i) {
    if (colons && i > 0 && i % 2 == 0) output.Put(':');
    PutNumber(output, specifier, bytes[i], 0, 16, false);
  }
}

// The arguments as the kernel lays them out before it prints anything: numbers at multiples of 4, texts with their NUL.
// What does not fit is -ENOSPC, and nothing has been printed then.
class Arguments {
 public:
  explicit Arguments(Process& process) : process_(process) {}

  long Add(const Specifier& specifier, std::uint64_t argument);
  void Rewind() { used_ = 0; }
  std::uint64_t TakeInteger(const Specifier& specifier) {
    std::uint64_t value = 0;
    used_ = Aligned();
    memcpy(&value, bytes_ + used_, specifier.integer_bytes);
    used_ += specifier.integer_bytes;
    return value;
  }
  char TakeCharacter() { return bytes_[used_++]; }
  const char* TakeText(std::size_t* count) {
    const char* text = bytes_ + used_;
    for (*count = 0; text[*count] != 0;) ++*count;
    used_ += *count + 1;
    return text;
  }

 private:
  std::size_t Aligned() const { return (used_ + 3) / 4 * 4; }
  long AddInteger(const void* value, std::size_t size_bytes) {
    used_ = Aligned();
    if (used_ > kArgumentBytes || size_bytes > kArgumentBytes - used_) return -ENOSPC;
    memcpy(bytes_ + used_, value, size_bytes);
    used_ += size_bytes;
    return 0;
  }
  long AddString(std::uint64_t address);
  long AddAddress(const Specifier& specifier, std::uint64_t address);

  Process& process_;
  std::size_t used_ = 0;
  char bytes_[kArgumentBytes];
};

// One that cannot be read prints as an empty string.
long Arguments::AddString(std::uint64_t address) {
  if (used_ == kArgumentBytes) return -ENOSPC;
  const long length = GuardedReadString(process_, bytes_ + used_, address, kArgumentBytes - used_);
  if (length <= 0) bytes_[used_] = 0;
  used_ += length <= 0 ? 1 : static_cast<std::size_t>(length);
  return 0;
}

// An address of the internet at `address`, as text.
long Arguments::AddAddress(const Specifier& specifier, std::uint64_t address) {
  std::uint8_t bytes[16] = {};
  const std::size_t size = specifier.address_family == '4' ? 4 : 16;
  if (kArgumentBytes - used_ < size) return -ENOSPC;
  if (GuardedRead(process_, bytes, address, size) != 0) memset(bytes, 0, sizeof(bytes));
  Output output{bytes_ + used_, kArgumentBytes - used_};
  if (specifier.address_family == '4') {
    PutIpv4(output, bytes, specifier.is_lower);
  } else {
    PutIpv6(output, bytes, !specifier.is_lower);
  }
  output.Finish();
  if (output.length >= kArgumentBytes - used_) return -ENOSPC;
  used_ += output.length + 1;
  return 0;
}

long Arguments::Add(const Specifier& specifier, std::uint64_t argument) {
  switch (specifier.conversion) {
    case Conversion::kString:
      return AddString(argument);
    case Conversion::kText:
      return specifier.address_family == 0 ? AddString(argument) : AddAddress(specifier, argument);
    case Conversion::kCharacter:
      if (used_ == kArgumentBytes) return -ENOSPC;
      bytes_[used_++] = static_cast<char>(argument);
      return 0;
    default:
      return AddInteger(&argument, specifier.integer_bytes);
  }
}

void Print(Output& output, const Specifier& specifier, Arguments& arguments) {
  std::size_t count = 0;
  switch (specifier.conversion) {
    case Conversion::kSigned: {
      const std::uint64_t value = arguments.TakeInteger(specifier);
      PutSigned(output, specifier,
                specifier.integer_bytes == 8 ? static_cast<std::int64_t>(value) : static_cast<std::int32_t>(value));
      return;
    }
    case Conversion::kUnsigned:
      return PutNumber(output, specifier, arguments.TakeInteger(specifier), 0, 10, false);
    case Conversion::kLowerHex:
      return PutNumber(output, specifier, arguments.TakeInteger(specifier), 0, 16, false);
    case Conversion::kUpperHex:
      return PutNumber(output, specifier, arguments.TakeInteger(specifier), 0, 16, true);
    case Conversion::kPointer:
      return PutPointer(output, specifier, arguments.TakeInteger(specifier));
    case Conversion::kSymbol:
      return PutSymbol(output, specifier, arguments.TakeInteger(specifier));
    case Conversion::kCharacter: {
      const char c = arguments.TakeCharacter();
      return PutPadded(output, specifier, &c, 1);
    }
    case Conversion::kString: {
      const char* text = arguments.TakeText(&count);
      return PutPadded(output, specifier, text, count);
    }
    case Conversion::kText: {
      const char* text = arguments.TakeText(&count);
      return PutPadded(output, {}, text, count);
    }
  }
}

// Bytes above ASCII may stand in the text: UTF-8.
long CheckText(const char* begin, const char* end) {
  for (; begin != end; ++begin) {
    if (IsAscii(*begin) && !IsPrintable(*begin) && !IsSpace(*begin)) return -EINVAL;
  }
  return 0;
}

}  // namespace

long Format(Process& process, char* out, std::size_t size, const char* format, std::size_t format_size,
            const std::uint64_t* arguments, std::uint32_t count) noexcept {
  // Copied nowhere: the text must end inside of the program's memory.
  bool is_terminated = false;
  for (std::size_t i = 0; i < format_size && !is_terminated; ++i) is_terminated = format[i] == 0;
  if (!is_terminated) return -EINVAL;
  Arguments prepared(process);
  std::uint32_t used = 0;
  const long error = ForEachPart(format, [&](const Specifier* specifier, const char* begin, const char* end) -> long {
    if (const long bad = CheckText(begin, end); bad != 0) return bad;
    if (specifier == nullptr) return 0;
    return used < count ? prepared.Add(*specifier, arguments[used++]) : -EINVAL;
  });
  if (error != 0) return error;
  prepared.Rewind();
  Output output{out, size};
  ForEachPart(format, [&](const Specifier* specifier, const char* begin, const char* end) -> long {
    if (specifier != nullptr) {
      Print(output, *specifier, prepared);
    } else {
      for (; begin != end; ++begin) output.Put(*begin);
    }
    return 0;
  });
  output.Finish();
  return static_cast<long>(output.length);
}

}  // namespace strata::runtime
