// Functions by name: what the runtime has, and what processes of the session serve (func-<name>).
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "collector.h"
#include "objects.h"
#include "strata/backend/userspace/runtime/functions/table.h"
#include "strata/backend/userspace/runtime/host_functions.h"
#include "strata/base/owner_process.h"

namespace strata::userspace {
namespace {

using runtime::HostFunctionRecord;

std::string FileOf(const std::string& name) { return runtime::kFunctionPrefix + name; }

Result<ValueKind> KindOfValue(const btf::Btf& types, btf::TypeId type) {
  const btf::TypeId resolved = STRATA_TRY(types.Resolve(type));
  switch (types.KindOf(resolved)) {
    case btf::Kind::kUnknown:
      return ValueKind::kVoid;
    case btf::Kind::kPointer:
      return ValueKind::kPointer;
    case btf::Kind::kInt:
    case btf::Kind::kEnum:
    case btf::Kind::kEnum64:
      break;
    default:
      return Error(ErrorCode::kInvalidArgument, "a value that is neither a number nor a pointer");
  }
  const std::uint64_t size = STRATA_TRY(types.SizeOf(resolved));
  if (size > 8) return Error(ErrorCode::kInvalidArgument, fmt::format("a number of {} bytes", size));
  return static_cast<ValueKind>(size);
}

Result<FunctionSignature> SignatureOf(const btf::Btf& types, btf::TypeId function) {
  const btf::Func declared = STRATA_TRY(types.Get<btf::Func>(function));
  const btf::FuncProto prototype = STRATA_TRY(types.Get<btf::FuncProto>(declared.prototype));
  FunctionSignature signature;
  signature.result = STRATA_TRY(KindOfValue(types, prototype.result));
  for (const btf::Parameter& parameter : prototype.parameters) {
    if (signature.parameter_count == kMaxParameters) {
      return Error(ErrorCode::kInvalidArgument, "more than five parameters");
    }
    signature.parameters[signature.parameter_count++] = STRATA_TRY(KindOfValue(types, parameter.type));
  }
  return signature;
}

// "int(pointer, 4 bytes)"
std::string TextOf(ValueKind kind) {
  if (kind == ValueKind::kVoid) return "void";
  return kind == ValueKind::kPointer ? "pointer" : fmt::format("{} bytes", static_cast<unsigned>(kind));
}
std::string TextOf(const FunctionSignature& signature) {
  std::string parameters;
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(signature.parameter_count, kMaxParameters); ++i) {
    parameters += (i == 0 ? "" : ", ") + TextOf(signature.parameters[i]);
  }
  return fmt::format("{}({})", TextOf(signature.result), parameters);
}

bool IsRecord(const HostFunctionRecord& record) {
  return record.magic == static_cast<std::uint32_t>(runtime::FileMagic::kFunction) &&
         record.version == runtime::kLayoutVersion;
}

// Of a function that some living process serves.
Result<std::optional<FunctionSignature>> ServedSignature(const Session& session, const std::string& name) {
  const UniqueFd fd(
      ::openat(session.folder_fd(), FileOf(name).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd || !runtime::IsAlive(fd.get())) return std::optional<FunctionSignature>();
  HostFunctionRecord record{};
  if (::pread(fd.get(), &record, sizeof(record), 0) != sizeof(record) || !IsRecord(record)) {
    return Error(ErrorCode::kMalformed, fmt::format("function {}: its file is none", name));
  }
  return std::optional(record.signature);
}

constexpr int kAttempts = 100;

bool IsIdentifier(const std::string& name) {
  const auto is_part = [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && FileOf(name).size() < runtime::kNameSize && std::all_of(name.begin(), name.end(), is_part);
}

// A file that has no name yet.
Result<UniqueFd> MakeRecord(const Session& session, const HostFunction& function) {
  const std::string what = "function " + function.name;
  UniqueFd fd = STRATA_TRY(session.MakeFile(sizeof(HostFunctionRecord), what));
  HostFunctionRecord record{};
  record.magic = static_cast<std::uint32_t>(runtime::FileMagic::kFunction);
  record.version = runtime::kLayoutVersion;
  record.signature = function.signature;
  std::memcpy(record.name, function.name.c_str(), function.name.size() + 1);
  if (::pwrite(fd.get(), &record, sizeof(record), 0) != sizeof(record)) {
    return Error::FromErrno(errno, what + ": writing its file");
  }
  return fd;
}

Result<void> CheckSame(const ObjectFile& served, const HostFunction& function) {
  HostFunctionRecord record{};
  if (::pread(served.fd.get(), &record, sizeof(record), 0) != sizeof(record) || !IsRecord(record)) {
    return Error(ErrorCode::kMalformed, fmt::format("function {}: its file is none", function.name));
  }
  if (record.signature == function.signature) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("function {}: another process of the session serves {}, this one {}", function.name,
                           TextOf(record.signature), TextOf(function.signature)),
               EEXIST);
}

// One file for all processes that serve a function of the name: each holds it. One that nobody holds any more is
// replaced.
Result<ObjectFile> PublishFunction(const Session& session, const HostFunction& function) {
  const std::string what = "function " + function.name;
  const std::string name = FileOf(function.name);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    UniqueFd fd = STRATA_TRY(MakeRecord(session, function));
    auto published = session.Publish(std::move(fd), name, what);
    if (published || published.error().sys_errno() != EEXIST) return published;
    if (const UniqueFd dead = LockDead(session.folder_fd(), name)) {
      ::unlinkat(session.folder_fd(), name.c_str(), 0);
      continue;
    }
    auto served = session.OpenHeld(name, what, O_RDONLY);
    if (!served && served.error().code() == ErrorCode::kNotFound) continue;
    if (served) STRATA_TRY(CheckSame(*served, function));
    return served;
  }
  return Error(ErrorCode::kBusy, what + ": other processes begin and end to serve it", EBUSY);
}

class Guard : public HostFunctionGuard {
 public:
  Guard(SharedPtr shared, ObjectFile file, const HostFunction& function)
      : shared_(std::move(shared)), file_(std::move(file)), entry_(std::make_unique<runtime::HostFunctionEntry>()) {
    std::memcpy(entry_->name, function.name.c_str(), function.name.size() + 1);
    entry_->address = function.address;
    const std::lock_guard lock(shared_->session->mutex());
    entry_->next = shared_->host_functions.first;
    __atomic_store_n(&shared_->host_functions.first, entry_.get(), __ATOMIC_RELEASE);
  }
  ~Guard() override {
    {
      const std::lock_guard lock(shared_->session->mutex());
      runtime::HostFunctionEntry** place = &shared_->host_functions.first;
      while (*place != entry_.get()) place = &(*place)->next;
      __atomic_store_n(place, entry_->next, __ATOMIC_RELEASE);
      shared_->retired_functions.push_back(std::move(entry_));
    }
    if (owner_.IsCaller()) shared_->session->Close(std::move(file_));
  }

 private:
  SharedPtr shared_;
  ObjectFile file_;
  std::unique_ptr<runtime::HostFunctionEntry> entry_;
  OwnerProcess owner_;
};

}  // namespace

Result<bool> HasFunction(const Session& session, const std::string& name, const btf::Btf& types, btf::TypeId declared) {
  const runtime::FunctionRow* row = runtime::FindFunctionRow(name.c_str());
  const auto served = row != nullptr ? std::optional(row->signature) : STRATA_TRY(ServedSignature(session, name));
  if (!served) return false;
  const FunctionSignature wanted = STRATA_TRY(SignatureOf(types, declared).Context("function " + name));
  if (wanted == *served) return true;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("function {}: is declared as {}, and is {}", name, TextOf(wanted), TextOf(*served)), EINVAL);
}

Result<std::unique_ptr<HostFunctionGuard>> ServeFunction(const SharedPtr& shared, const HostFunction& function) {
  if (!IsIdentifier(function.name) || function.address == nullptr) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("function \"{}\": is no function by a name of C", function.name), EINVAL);
  }
  if (runtime::FindFunctionRow(function.name.c_str()) != nullptr) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("function {}: is one of the runtime's own", function.name),
                 EEXIST);
  }
  if (!runtime::CanCallHostFunctions()) {
    return Error(ErrorCode::kNotSupported, "functions of the host: this processor does not have xsave");
  }
  ObjectFile file = STRATA_TRY(PublishFunction(*shared->session, function));
  return std::unique_ptr<HostFunctionGuard>(std::make_unique<Guard>(shared, std::move(file), function));
}

}  // namespace strata::userspace
