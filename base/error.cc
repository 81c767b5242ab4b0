#include "strata/base/error.h"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace strata {

struct Error::Record {
  std::atomic<int> references{1};
  ErrorCode code;
  int sys_errno;
  std::string message;
  std::string log;
  const char* file;
  int line;

  Record(ErrorCode c, int e, std::string m, std::string l, const char* f, int n)
      : code(c), sys_errno(e), message(std::move(m)), log(std::move(l)), file(f), line(n) {}
};

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kMalformed:
      return "malformed";
    case ErrorCode::kNotSupported:
      return "not supported";
    case ErrorCode::kPermissionDenied:
      return "permission denied";
    case ErrorCode::kKeyNotExist:
      return "key does not exist";
    case ErrorCode::kKeyExist:
      return "key exists";
    case ErrorCode::kMapFull:
      return "map full";
    case ErrorCode::kMapIncompatible:
      return "map incompatible";
    case ErrorCode::kVerifierRejected:
      return "verifier rejected";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kNoSpace:
      return "no space";
    case ErrorCode::kSystem:
      return "system error";
  }
  return "?";
}

ErrorCode ErrorCodeFromErrno(int sys_errno) {
  switch (sys_errno) {
    case EINVAL:
      return ErrorCode::kInvalidArgument;
    case ENOENT:
    case ENOTDIR:
    case ESRCH:
      return ErrorCode::kNotFound;
    case EPERM:
    case EACCES:
      return ErrorCode::kPermissionDenied;
    case EEXIST:
      return ErrorCode::kKeyExist;
    case E2BIG:
      return ErrorCode::kMapFull;
    case EBUSY:
    case EAGAIN:
      return ErrorCode::kBusy;
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
      return ErrorCode::kNoSpace;
    case ENOSYS:
    case EOPNOTSUPP:
    case 524:
      return ErrorCode::kNotSupported;  // ENOTSUPP: the kernel's own, not in errno.h
    default:
      return ErrorCode::kSystem;
  }
}

Error::Error(ErrorCode code, std::string message, int sys_errno, const char* file, int line)
    : record_(new Record(code, sys_errno, std::move(message), {}, file, line)) {}

Error Error::FromErrno(int sys_errno, std::string message, const char* file, int line) {
  const char* text = sys_errno == 524 ? "operation not supported by the kernel" : std::strerror(sys_errno);
  return Error(ErrorCodeFromErrno(sys_errno), fmt::format("{}: {}", message, text), sys_errno, file, line);
}

Error::Error(const Error& other) noexcept : record_(other.record_) {
  if (record_ != nullptr) record_->references.fetch_add(1, std::memory_order_relaxed);
}

Error::Error(Error&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}

Error& Error::operator=(Error other) noexcept {
  std::swap(record_, other.record_);
  return *this;
}

Error::~Error() {
  if (record_ != nullptr && record_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete record_;
}

ErrorCode Error::code() const { return record_->code; }
int Error::sys_errno() const { return record_->sys_errno; }
const std::string& Error::message() const { return record_->message; }
const std::string& Error::log() const { return record_->log; }

std::string Error::source_place() const {
  std::string_view file = record_->file;
  if (auto slash = file.rfind('/'); slash != std::string_view::npos) file.remove_prefix(slash + 1);
  return fmt::format("{}:{}", file, record_->line);
}

Error Error::WithContext(std::string_view context) const& {
  return Error(new Record(record_->code, record_->sys_errno, fmt::format("{}: {}", context, record_->message),
                          record_->log, record_->file, record_->line));
}

Error Error::WithContext(std::string_view context) && { return std::as_const(*this).WithContext(context); }

Error Error::WithLog(std::string log) && {
  return Error(
      new Record(record_->code, record_->sys_errno, record_->message, std::move(log), record_->file, record_->line));
}

}  // namespace strata
