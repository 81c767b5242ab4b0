// One row per attach kind that the kernel backend serves.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "context.h"
#include "program.h"
#include "strata/backend/backend.h"

namespace strata::kernel {

using Attach = Result<std::unique_ptr<BackendLink>>(const ContextPtr& context,
                                                    const std::shared_ptr<KernelProgram>& program,
                                                    const AttachTarget& target);
struct AttachRow {
  std::string_view kind;
  Attach* attach;
};
std::span<const AttachRow> AttachRows();

// The functions of the rows, by file.
Attach AttachUprobe;  // uprobe.cc
Attach AttachUretprobe;
Attach AttachUprobeMulti;  // uprobe_multi.cc
Attach AttachUretprobeMulti;
Attach AttachUprobeSession;
Attach AttachKprobe;  // kprobe.cc
Attach AttachKretprobe;
Attach AttachKsyscall;
Attach AttachKretsyscall;
Attach AttachKprobeMulti;  // kprobe_multi.cc
Attach AttachKretprobeMulti;
Attach AttachKprobeSession;
Attach AttachTracepoint;     // tracepoint.cc
Attach AttachRawTracepoint;  // tracing.cc
Attach AttachTracing;
Attach AttachFreplace;
Attach AttachIterator;   // iterator.cc
Attach AttachPerfEvent;  // perf_event.cc
Attach AttachXdp;        // interface.cc
Attach AttachTcx;
Attach AttachNetkit;
Attach AttachCgroup;    // cgroup.cc
Attach AttachSkLookup;  // netns.cc
Attach AttachFlowDissector;
Attach AttachNetfilter;     // netfilter.cc
Attach AttachSocketFilter;  // socket.cc
Attach AttachReuseport;
Attach AttachSockMap;  // sockmap.cc

}  // namespace strata::kernel
