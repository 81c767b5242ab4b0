// Attaches a program to what its section name says.
#pragma once

#include <string>
#include <vector>

#include "strata/link/executable.h"
#include "strata/link/link.h"
#include "strata/object/program.h"

namespace strata {

struct AutoAttachOptions {
  std::int32_t pid = kAllProcesses;
  AgentPolicy agent = AgentPolicy::kRequire;
  std::vector<std::string> search_folders = ExecutableOptions().search_folders;
};

// SEC("uprobe/libc.so.6:malloc"), SEC("uretprobe//usr/bin/bash:readline+0x4"),
// SEC("usdt/libc.so.6:libc:memory_sbrk_more"), SEC("tp/syscalls/sys_enter_openat"), SEC("iter/task"), ...
// (docs/links.md lists them). kInvalidArgument for a section that names no place (SEC("uprobe")), kNotSupported, with
// the function to use, for sections that do not say where (SEC("xdp")).
STRATA_EXPORT Result<Link> AutoAttach(const Program& program, const AutoAttachOptions& options = {});

// Whether AutoAttach knows what to do with the program's section, and the section says where.
STRATA_EXPORT bool NamesPlace(const Program& program);

}  // namespace strata
