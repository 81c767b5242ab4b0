// One row per attach kind that the kernel backend serves.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "context.h"
#include "program.h"
#include "strata/backend/backend.h"

namespace strata::kernel {

using AttachFunction = Result<std::unique_ptr<BackendLink>>(const ContextPtr& context,
                                                            const std::shared_ptr<KernelProgram>& program,
                                                            const AttachTarget& target);
struct AttachRow {
  std::string_view kind;
  AttachFunction* attach;
};
std::span<const AttachRow> AttachRows();

// The functions of the rows, by file.
AttachFunction AttachUprobe;  // uprobe.cc
AttachFunction AttachUretprobe;
AttachFunction AttachUprobeMulti;  // uprobe_multi.cc
AttachFunction AttachUretprobeMulti;
AttachFunction AttachUprobeSession;
AttachFunction AttachKprobe;  // kprobe.cc
AttachFunction AttachKretprobe;
AttachFunction AttachKsyscall;
AttachFunction AttachKretsyscall;
AttachFunction AttachKprobeMulti;  // kprobe_multi.cc
AttachFunction AttachKretprobeMulti;
AttachFunction AttachKprobeSession;
AttachFunction AttachTracepoint;     // tracepoint.cc
AttachFunction AttachRawTracepoint;  // tracing.cc
AttachFunction AttachTracing;
AttachFunction AttachFreplace;
AttachFunction AttachIterator;   // iterator.cc
AttachFunction AttachPerfEvent;  // perf_event.cc
AttachFunction AttachXdp;        // interface.cc
AttachFunction AttachTcx;
AttachFunction AttachNetkit;
AttachFunction AttachCgroup;    // cgroup.cc
AttachFunction AttachSkLookup;  // netns.cc
AttachFunction AttachFlowDissector;
AttachFunction AttachNetfilter;     // netfilter.cc
AttachFunction AttachSocketFilter;  // socket.cc
AttachFunction AttachReuseport;
AttachFunction AttachSockMap;  // sockmap.cc

}  // namespace strata::kernel
