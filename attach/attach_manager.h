// The main entry inside a traced process: makes what is attached here agree with what the session's links ask for.
//
// The same code works in the agent and in a program that attaches to itself. It takes its memory from mmap, calls
// nothing of the host's libc, and keeps no descriptor open.
#pragma once

namespace strata::runtime {
struct HostFunctions;
}

namespace strata::attach {

// Who handles SIGSEGV and SIGBUS in this process.
enum class FaultSignals : unsigned char {
  kHost,     // the host: programs read its memory by system calls, a microsecond each
  kFiles,    // the host; where it has no handler of SIGBUS, the manager has one for session files that became shorter
  kManager,  // the manager installs handlers, under the promises of runtime/fault_table.h: reads are plain copies
};

class AttachManager {
 public:
  // Opens the session in `session_folder` (an absolute path, copied). Returns null and a positive errno in `error` when
  // it is no session, when it belongs to somebody else, or when memory is used up.
  static AttachManager* Create(const char* session_folder, int* error,
                               FaultSignals fault_signals = FaultSignals::kHost) noexcept;

  // Unhooks everything, removes this process's instance records, and frees what no thread can be using any more.
  static void Destroy(AttachManager* manager) noexcept;

  // Attaches each enabled link that selects this process and is not attached yet, and detaches what is gone. Each
  // answer to a link by pid is written to the link's instance record, and each refusal; idempotent. Returns 0, or the
  // positive errno for which the session could not be read. Any thread may call it, but no handler or program; calls
  // are serialised.
  //
  // A link whose file is not mapped here is pending, and tried again by the next call. Programs are unmapped once no
  // thread can be in them, by this call or a later one.
  int Reconcile() noexcept;

  // The functions of the embedding program that programs may call by name. They outlive the manager.
  void ServeFunctions(const runtime::HostFunctions& functions) noexcept;

  AttachManager(const AttachManager&) = delete;
  AttachManager& operator=(const AttachManager&) = delete;

 private:
  struct State;
  AttachManager() = delete;
  ~AttachManager() = delete;
};

}  // namespace strata::attach
