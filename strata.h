// strata: eBPF objects on the real kernel or inside the traced process. This header is all that a user includes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "strata/backend/backend.h"
#include "strata/backend/verifier_log.h"
#include "strata/base/log.h"
#include "strata/base/result.h"
#include "strata/btf/format_value.h"
#include "strata/link/attach_all.h"
#include "strata/link/auto_attach.h"
#include "strata/link/cgroup.h"
#include "strata/link/executable.h"
#include "strata/link/iterator.h"
#include "strata/link/kprobe.h"
#include "strata/link/netfilter.h"
#include "strata/link/netns.h"
#include "strata/link/perf_event.h"
#include "strata/link/query.h"
#include "strata/link/socket.h"
#include "strata/link/struct_ops.h"
#include "strata/link/tcx.h"
#include "strata/link/trace.h"
#include "strata/link/tracepoint.h"
#include "strata/link/uprobe.h"
#include "strata/link/usdt.h"
#include "strata/link/xdp.h"
#include "strata/object/as_bytes.h"
#include "strata/object/collection.h"
#include "strata/object/event_poller.h"
#include "strata/object/map_views.h"
#include "strata/object/perf_reader.h"
#include "strata/object/ring_reader.h"
#include "strata/object/skeleton.h"
#include "strata/object/typed_ring.h"
#include "strata/object/user_ring_writer.h"
#include "strata/spec/data_section.h"

namespace strata {

struct BackendOptions {
  // Userspace only. The session that loaders, traced processes and tools share: a name under runtime_folder.
  std::string session = "default";
  // Where sessions lie. Empty: $STRATA_RUNTIME_DIR, else /dev/shm/strata-<uid>.
  std::string runtime_folder;
  // Whom a session that this makes is shared with: "user:NAME", "group:NAME", with ",maps=ro" for maps that they may
  // only read. Empty: nobody. Of a session that exists it must be the same, or empty.
  std::string share = {};
  // The agent that traced processes load. Empty: $STRATA_AGENT, else libstrata-agent.so beside this library or program.
  std::string agent_path;
  // Userspace only. Installs handlers of SIGSEGV and SIGBUS in this process, so that programs that run in it read its
  // memory by plain copies (bpf_probe_read_user: nanoseconds, not a microsecond). Faults of others go where they went
  // before: to the handlers installed now, or to the default action. The caller promises that, as long as the backend
  // or anything made from it lives, nobody changes the actions of the two signals, and nobody blocks them where
  // programs run (their own handlers do, unless SA_NODEFER). A file of the session that somebody shortens then reads as
  // zeros behind its end; without this, touching it there ends the process by SIGBUS.
  bool handle_fault_signals = false;
  // Kernel only. A BPF file system that delegates rights to this process's user namespace (Linux 6.9). Empty:
  // /sys/fs/bpf is tried where the process has no rights of its own.
  std::string token_path = {};
};

// "userspace" or "kernel". The objects made from it keep it alive. Errors: kInvalidArgument for another name;
// kPermissionDenied with the remedy where this process lacks a right.
STRATA_EXPORT Result<std::shared_ptr<Backend>> OpenBackend(std::string_view name, const BackendOptions& options = {});

}  // namespace strata
