// The kernel backend's system calls, seen and answered by a test.
#pragma once

#include <fcntl.h>

#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "strata/backend/kernel/syscall_table.h"

namespace strata::kernel {

// Keeps the arguments of every bpf(2) call. A call that the test's function answers does not reach the kernel. May be
// used from any thread.
class FakeSyscalls : public SyscallTable {
 public:
  struct Call {
    Command command;
    std::vector<std::byte> attr;  // as given, before the kernel wrote into it
    long result = 0;
    template <typename Attr>
    Attr As() const {
      Attr value{};
      std::memcpy(&value, attr.data(), std::min(sizeof(value), attr.size()));
      return value;
    }
  };
  // Nothing: the kernel shall answer.
  using Answer = std::function<std::optional<long>(Command command, void* attr)>;

  explicit FakeSyscalls(Answer answer = nullptr) : answer_(std::move(answer)) {}

  long Bpf(Command command, void* attr, std::uint32_t size) const override {
    const auto* bytes = static_cast<const std::byte*>(attr);
    Call call{command, {bytes, bytes + size}};
    const auto answer = answer_ != nullptr ? answer_(command, attr) : std::nullopt;
    call.result = answer ? *answer : SyscallTable::Bpf(command, attr, size);
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
    return calls_.back().result;
  }

  std::vector<Call> CallsOf(Command command) const {
    const std::lock_guard lock(mutex_);
    std::vector<Call> found;
    for (const Call& call : calls_) {
      if (call.command == command) found.push_back(call);
    }
    return found;
  }

  // A descriptor that the backend may own, for commands whose result is one.
  static long AnyDescriptor() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

 private:
  Answer answer_;
  mutable std::mutex mutex_;
  mutable std::vector<Call> calls_;
};

// A kernel that makes every object without looking at it, after `special` had its say.
inline FakeSyscalls::Answer AcceptEverything(FakeSyscalls::Answer special = nullptr) {
  return [special = std::move(special)](Command command, void* attr) -> std::optional<long> {
    if (special != nullptr) {
      if (const auto answer = special(command, attr)) return answer;
    }
    switch (command) {
      case Command::kMapCreate:
      case Command::kProgramLoad:
      case Command::kBtfLoad:
      case Command::kLinkCreate:
      case Command::kRawTracepointOpen:
      case Command::kIteratorCreate:
      case Command::kOpenPinned:
      case Command::kMapOpenById:
      case Command::kProgramOpenById:
      case Command::kLinkOpenById:
        return FakeSyscalls::AnyDescriptor();
      default:
        return 0;
    }
  };
}

}  // namespace strata::kernel
