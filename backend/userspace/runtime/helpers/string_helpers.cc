#include <asm/errno.h>
#include <sys/prctl.h>
#include <time.h>

#include "format.h"
#include "functions.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr std::size_t kMaxNumberText = 63;   // __bpf_strtoull looks at no more
constexpr std::uint64_t kBaseMask = 0x1f;    // BPF_STRTOX_BASE_MASK
constexpr std::size_t kMaxTraceText = 1024;  // BPF_TRACE_PRINTK_SIZE

struct ParsedNumber {
  std::uint64_t magnitude = 0;
  bool is_negative = false;
  long consumed = 0;  // characters, or a negative errno
};

// lib/ctype.c; the last one is Latin-1's space.
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || static_cast<unsigned char>(c) == 0xa0; }

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

// kernel/bpf/helpers.c __bpf_strtoull, lib/kstrtox.c.
ParsedNumber ParseNumber(const char* text, std::size_t size, std::uint64_t flags) {
  ParsedNumber number;
  number.consumed = -EINVAL;
  std::uint64_t base = flags & kBaseMask;
  if ((flags & ~kBaseMask) != 0 || (base != 0 && base != 8 && base != 10 && base != 16)) return number;
  std::size_t at = 0;
  while (at < size && IsSpace(text[at])) ++at;
  if (at == size) return number;
  number.is_negative = text[at] == '-';
  if (number.is_negative) ++at;
  if (size - at > kMaxNumberText) size = at + kMaxNumberText;
  const bool has_zero = size - at >= 2 && text[at] == '0';
  const bool has_hex_prefix = has_zero && (text[at + 1] | 0x20) == 'x';
  if (base == 0)
    base =
        has_hex_prefix && size - at >= 3 && DigitOf(text[at + 2]) < 16 ? 16 : (at < size && text[at] == '0' ? 8 : 10);
  if (base == 16 && has_hex_prefix) at += 2;
  const std::size_t first_digit = at;
  bool has_overflow = false;
  for (; at < size && DigitOf(text[at]) < static_cast<int>(base); ++at) {
    has_overflow |= __builtin_mul_overflow(number.magnitude, base, &number.magnitude);
    has_overflow |=
        __builtin_add_overflow(number.magnitude, static_cast<std::uint64_t>(DigitOf(text[at])), &number.magnitude);
  }
  if (at == first_digit) return number;
  number.consumed = has_overflow ? -ERANGE : static_cast<long>(at);
  return number;
}

// r4 bytes of 8-byte arguments at r3 are well-formed.
bool AreArgumentsValid(std::uint64_t data, std::uint64_t data_size) {
  return data_size % 8 == 0 && data_size <= std::uint64_t{kMaxFormatArguments} * 8 && (data_size == 0 || data != 0);
}

// A line for the session's log. Where nobody reads it and it is full, the line is dropped and counted.
long WriteLog(Process& process, const char* format, std::size_t format_size, const std::uint64_t* arguments,
              std::uint32_t count) {
  char text[kMaxTraceText];
  long length = Format(process, text, sizeof(text), format, format_size, arguments, count);
  if (length < 0 || process.log == nullptr) return length;
  if (length >= static_cast<long>(sizeof(text))) length = sizeof(text) - 1;
  auto* record =
      static_cast<TraceRecord*>(ReserveRecord(*process.log, sizeof(TraceRecord) + static_cast<std::size_t>(length)));
  if (record == nullptr) return length;
  const ThreadIds ids = CurrentIds(process);
  record->time_ns = ClockNow(process, CLOCK_MONOTONIC);
  record->pid = ids.pid;
  record->tid = ids.tid;
  memset(record->comm, 0, sizeof(record->comm));
  sys::Prctl(PR_GET_NAME, sys::Address(record->comm));
  memcpy(record + 1, text, static_cast<std::size_t>(length));
  EndRecord(*process.log, record, RecordEnd::kSubmit, 0);
  return length;
}

}  // namespace

STRATA_HELPER(HelperParseLong) {
  *PointerFrom<std::uint64_t>(r4) = 0;
  const ParsedNumber number = ParseNumber(PointerFrom<const char>(r1), r2, r3);
  if (number.consumed < 0) return Status(number.consumed);
  constexpr std::uint64_t kLargest = 0x7fffffffffffffff;
  if (number.magnitude > kLargest + (number.is_negative ? 1 : 0)) return Status(-ERANGE);
  *PointerFrom<std::uint64_t>(r4) = number.is_negative ? 0 - number.magnitude : number.magnitude;
  return Status(number.consumed);
}

STRATA_HELPER(HelperParseUnsignedLong) {
  *PointerFrom<std::uint64_t>(r4) = 0;
  const ParsedNumber number = ParseNumber(PointerFrom<const char>(r1), r2, r3);
  if (number.consumed < 0) return Status(number.consumed);
  if (number.is_negative) return Status(-EINVAL);
  *PointerFrom<std::uint64_t>(r4) = number.magnitude;
  return Status(number.consumed);
}

STRATA_HELPER(HelperCompareStrings) {
  const auto* left = PointerFrom<const unsigned char>(r1);
  const auto* right = PointerFrom<const unsigned char>(r3);
  for (std::uint64_t i = 0; i < static_cast<std::uint32_t>(r2); ++i) {
    if (left[i] != right[i]) return Status(left[i] < right[i] ? -1 : 1);
    if (left[i] == 0) break;
  }
  return 0;
}

STRATA_HELPER(HelperPrintToBuffer) {
  if (!AreArgumentsValid(r4, r5)) return Status(-EINVAL);
  // The format is a constant string whose end the verifier knows; it has no size of its own.
  constexpr std::size_t kLongestFormat = 4096;
  const long length =
      Format(*run->process, PointerFrom<char>(r1), static_cast<std::uint32_t>(r2), PointerFrom<const char>(r3),
             kLongestFormat, PointerFrom<const std::uint64_t>(r4), static_cast<std::uint32_t>(r5 / 8));
  return Status(length < 0 ? length : length + 1);
}

STRATA_HELPER(HelperTracePrint) {
  const std::uint64_t arguments[3] = {r3, r4, r5};
  return Status(WriteLog(*run->process, PointerFrom<const char>(r1), static_cast<std::uint32_t>(r2), arguments, 3));
}

STRATA_HELPER(HelperTracePrintArray) {
  if (!AreArgumentsValid(r3, r4)) return Status(-EINVAL);
  return Status(WriteLog(*run->process, PointerFrom<const char>(r1), static_cast<std::uint32_t>(r2),
                         PointerFrom<const std::uint64_t>(r3), static_cast<std::uint32_t>(r4 / 8)));
}

}  // namespace strata::runtime
