#include "strata/backend/userspace/runtime/fault_table.h"

#include <asm/errno.h>
#include <signal.h>
#include <ucontext.h>

#include "strata/backend/userspace/runtime/mapped_files.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

// Both are distances from their own place.
struct FaultRow {
  std::int32_t fault;
  std::int32_t recovery;
};

// struct kernel_sigaction (arch/x86).
struct KernelAction {
  std::uint64_t handler;
  std::uint64_t flags;
  std::uint64_t restorer;
  std::uint64_t mask;
};

constexpr std::uint64_t kRestorer = 0x04000000;  // SA_RESTORER
constexpr int kSignals[] = {SIGSEGV, SIGBUS};
constexpr int kSignalCount = 2;
constexpr std::uint64_t kDefault = 0;  // SIG_DFL
constexpr std::uint64_t kIgnore = 1;   // SIG_IGN

// The process's handlers, which all open sessions share.
struct SharedHandlers {
  std::uint32_t lock;
  std::uint32_t users[kSignalCount];    // in the order of kSignals
  KernelAction previous[kSignalCount];  // what a fault that is not ours goes to
};
SharedHandlers handlers;

extern "C" {
extern const FaultRow strata_fault_rows[] __attribute__((visibility("hidden")));
extern const FaultRow strata_fault_rows_end[] __attribute__((visibility("hidden")));
void strata_signal_return() __attribute__((visibility("hidden")));
}

std::uint64_t Resolve(const std::int32_t& distance) {
  return reinterpret_cast<std::uint64_t>(&distance) + static_cast<std::uint64_t>(std::int64_t{distance});
}

int IndexOf(int signal) { return signal == SIGBUS ? 1 : 0; }

long SetAction(int signal, const KernelAction* action, KernelAction* old) {
  return sys::RtSigaction(signal, action, old);
}

// SIG_DFL and, for a fault, SIG_IGN: the instruction faults again when the handler returns, now with the default
// action, so that a core dump shows the place. A signal that somebody sent is sent again.
void ActByDefault(int signal, siginfo_t* info, KernelAction action) {
  const bool is_sent = info->si_code <= 0;
  if (is_sent && action.handler == kIgnore) return;
  action.handler = kDefault;
  SetAction(signal, &action, nullptr);
  if (is_sent) sys::SendSignalInfo(sys::Getpid(), sys::Gettid(), signal, info);
}

// Installed with the mask and flags of the action before it, so that its handler finds all as the kernel would have
// made it, and may leave by siglongjmp.
void OnFault(int signal, siginfo_t* info, void* context) {
  if (HandleFault(info, context)) return;
  KernelAction& previous = handlers.previous[IndexOf(signal)];
  const KernelAction action = previous;
  if (action.handler == kDefault || action.handler == kIgnore) return ActByDefault(signal, info, action);
  if ((action.flags & SA_RESETHAND) != 0) previous.handler = kDefault;
  // The kernel passes all three, whatever SA_SIGINFO says.
  reinterpret_cast<void (*)(int, siginfo_t*, void*)>(action.handler)(signal, info, context);
}

KernelAction HandlerFor(const KernelAction& previous) {
  const bool has_handler = previous.handler != kDefault && previous.handler != kIgnore;
  KernelAction action{};
  action.handler = reinterpret_cast<std::uint64_t>(OnFault);
  // The kernel would reset ours too; OnFault does it in its place.
  action.flags = has_handler ? previous.flags & ~std::uint64_t{SA_RESETHAND} : std::uint64_t{SA_ONSTACK};
  action.flags |= SA_SIGINFO | kRestorer;
  action.restorer = reinterpret_cast<std::uint64_t>(strata_signal_return);
  action.mask = has_handler ? previous.mask : 0;
  return action;
}

long Install(int signal) {
  KernelAction& previous = handlers.previous[IndexOf(signal)];
  const long error = SetAction(signal, nullptr, &previous);
  if (error != 0) return error;
  const KernelAction action = HandlerFor(previous);
  return SetAction(signal, &action, nullptr);
}

void Uninstall(int signal) {
  KernelAction current{};
  if (SetAction(signal, nullptr, &current) != 0) return;
  if (current.handler != reinterpret_cast<std::uint64_t>(OnFault)) return;
  SetAction(signal, &handlers.previous[IndexOf(signal)], nullptr);
}

// A forked child may have inherited it from a thread that it does not have: the wait is bounded.
class HandlersLock {
 public:
  HandlersLock() {
    constexpr int kYields = 100'000;
    for (int i = 0; i < kYields && !is_held_; ++i) {
      is_held_ = __atomic_exchange_n(&handlers.lock, 1, __ATOMIC_ACQUIRE) == 0;
      if (!is_held_) sys::SchedYield();
    }
  }
  ~HandlersLock() {
    if (is_held_) __atomic_store_n(&handlers.lock, 0, __ATOMIC_RELEASE);
  }
  bool is_held() const { return is_held_; }
  HandlersLock(const HandlersLock&) = delete;
  HandlersLock& operator=(const HandlersLock&) = delete;

 private:
  bool is_held_ = false;
};

// Under the lock.
long Own(Process& process, int index) {
  if ((process.owned_fault_signals & (1U << index)) != 0) return 0;
  if (handlers.users[index] == 0) {
    if (const long error = Install(kSignals[index]); error != 0) return error;
  }
  ++handlers.users[index];
  process.owned_fault_signals |= 1U << index;
  return 0;
}

}  // namespace

bool HandleFault(const void* info, void* context) noexcept {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto address = static_cast<std::uint64_t>(registers[REG_RIP]);
  for (const FaultRow* row = strata_fault_rows; row != strata_fault_rows_end; ++row) {
    if (Resolve(row->fault) != address) continue;
    registers[REG_RIP] = static_cast<greg_t>(Resolve(row->recovery));
    return true;
  }
  const auto& fault = *static_cast<const siginfo_t*>(info);
  return fault.si_signo == SIGBUS && fault.si_code == BUS_ADRERR &&
         RestoreMapping(reinterpret_cast<std::uint64_t>(fault.si_addr));
}

long UseFaultTable(Process& process) noexcept {
  if (process.has_fault_table) return 0;
  const HandlersLock lock;
  if (!lock.is_held()) return -EBUSY;
  for (int index = 0; index < kSignalCount; ++index) {
    if (const long error = Own(process, index); error != 0) return error;
  }
  process.has_fault_table = true;
  return 0;
}

long GuardFiles(Process& process) noexcept {
  const HandlersLock lock;
  if (!lock.is_held()) return -EBUSY;
  const int index = IndexOf(SIGBUS);
  if (handlers.users[index] == 0) {
    KernelAction current{};
    if (const long error = SetAction(SIGBUS, nullptr, &current); error != 0) return error;
    if (current.handler != kDefault) return -EBUSY;
  }
  return Own(process, index);
}

void LeaveFaultTable(Process& process) noexcept {
  process.has_fault_table = false;
  if (process.owned_fault_signals == 0) return;
  const HandlersLock lock;
  if (!lock.is_held()) return;
  for (int index = 0; index < kSignalCount; ++index) {
    if ((process.owned_fault_signals & (1U << index)) != 0 && --handlers.users[index] == 0) Uninstall(kSignals[index]);
  }
  process.owned_fault_signals = 0;
}

}  // namespace strata::runtime
