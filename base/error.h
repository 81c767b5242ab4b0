// Errors as values: a code a caller can act on, the errno behind it, and a text that says where and what.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "strata/base/export.h"

namespace strata {

// Few codes, and each means something to a caller.
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,   // the caller's value is wrong; the message names it
  kNotFound,          // a file, symbol, object, program or map of that name does not exist
  kMalformed,         // input bytes (ELF, BTF, registry file) break their format
  kNotSupported,      // this kernel, backend or version of strata cannot do it
  kPermissionDenied,  // the process lacks a right; the message names the remedy
  kKeyNotExist,       // map element operations
  kKeyExist,
  kMapFull,
  kMapIncompatible,   // an existing map differs from its spec; names the field
  kVerifierRejected,  // the program was refused; log() has the reason
  kBusy,              // a bounded wait ended; trying again later may work
  kNoSpace,           // memory, descriptors, or the registry's file system are used up
  kSystem,            // any other failure of the system; sys_errno() says which
};

STRATA_EXPORT std::string_view ErrorCodeName(ErrorCode code);

// The code that an errno most often stands for.
STRATA_EXPORT ErrorCode ErrorCodeFromErrno(int sys_errno);

// Of pointer size, copyable (copies share one immutable record), never empty except after a move.
// Thread-safety: like a std::shared_ptr; distinct copies may be used from distinct threads.
class STRATA_EXPORT Error {
 public:
  Error(ErrorCode code, std::string message, int sys_errno = 0, const char* file = __builtin_FILE(),
        int line = __builtin_LINE());

  // "message: strerror(sys_errno)", with the code that fits the errno.
  static Error FromErrno(int sys_errno, std::string message, const char* file = __builtin_FILE(),
                         int line = __builtin_LINE());

  Error(const Error& other) noexcept;
  Error(Error&& other) noexcept;
  Error& operator=(Error other) noexcept;
  ~Error();

  ErrorCode code() const;
  int sys_errno() const;  // 0 when no system call failed

  // One line: the contexts from the outermost inwards, then the message: "malloc.bpf.o: section .maps: map foo: ...".
  const std::string& message() const;

  // What the verifier or another checker printed, possibly many lines; empty when there is none.
  const std::string& log() const;

  // Where the error was made, "file.cc:123"; for bug reports, not for users.
  std::string source_place() const;

  // The same error, seen from one layer further out: "context: message".
  Error WithContext(std::string_view context) &&;
  Error WithContext(std::string_view context) const&;
  Error WithLog(std::string log) &&;

 private:
  struct Record;
  explicit Error(Record* record) : record_(record) {}
  Record* record_;
};

}  // namespace strata
