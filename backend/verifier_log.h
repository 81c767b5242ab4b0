// The log that a verifier wrote about a refused program (Error::log), as much of it as a reader wants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "strata/base/error.h"
#include "strata/base/export.h"

namespace strata {

enum class VerifierLogForm : std::uint8_t {
  kShort,  // one line: what the verifier complains about
  kHead,   // the first lines
  kTail,   // the last lines, where the reason stands
  kFull,
};

struct VerifierLogOptions {
  VerifierLogForm form = VerifierLogForm::kShort;
  std::size_t lines = 20;  // of kHead and kTail
};

// Without a trailing newline. Says how many lines were left out, and that the log is truncated where the kernel had
// more to say than it was given room for. An error without a log gives its message. Any thread.
STRATA_EXPORT std::string FormatVerifierLog(const Error& error, VerifierLogOptions options = {});

// For backends. A log whose start or end is missing ends with this line; `whole_bytes` is 0 where nobody knows.
std::string TruncationLine(std::size_t kept_bytes, std::size_t whole_bytes);
STRATA_EXPORT bool IsTruncated(std::string_view log);

// Where a verifier stopped and why. Views into the log.
struct Verdict {
  std::string complaint;         // what stands behind the last instruction, without states and statistics, in one line
  std::string_view instruction;  // "7: (79) r0 = *(u64 *)(r0 +0)"; empty where it did not come to one
  std::string_view source;  // "count.bpf.c:23", or the line's text from kernels before 6.8; empty without line_info
};
Verdict ReadVerdict(std::string_view log);

// "R0 invalid mem access 'scalar' at 7: (79) r0 = *(u64 *)(r0 +0), count.bpf.c:23".
std::string VerdictText(const Verdict& verdict);

}  // namespace strata
