// One row per attach kind that the kernel backend serves.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "context.h"
#include "program.h"
#include "strata/backend/backend.h"

namespace strata::kernel {

using AttachFunction = Result<std::unique_ptr<BackendLink>> (*)(const ContextPtr& context,
                                                                const std::shared_ptr<KernelProgram>& program,
                                                                const AttachTarget& target);
struct AttachRow {
  std::string_view kind;
  AttachFunction attach;
};
std::span<const AttachRow> AttachRows();

// The functions of the rows, by file.
Result<std::unique_ptr<BackendLink>> AttachUprobe(const ContextPtr&, const std::shared_ptr<KernelProgram>&,
                                                  const AttachTarget&);
Result<std::unique_ptr<BackendLink>> AttachUretprobe(const ContextPtr&, const std::shared_ptr<KernelProgram>&,
                                                     const AttachTarget&);
Result<std::unique_ptr<BackendLink>> AttachXdp(const ContextPtr&, const std::shared_ptr<KernelProgram>&,
                                               const AttachTarget&);
Result<std::unique_ptr<BackendLink>> AttachTcx(const ContextPtr&, const std::shared_ptr<KernelProgram>&,
                                               const AttachTarget&);
Result<std::unique_ptr<BackendLink>> AttachNetkit(const ContextPtr&, const std::shared_ptr<KernelProgram>&,
                                                  const AttachTarget&);
Result<std::unique_ptr<BackendLink>> AttachCgroup(const ContextPtr&, const std::shared_ptr<KernelProgram>&,
                                                  const AttachTarget&);
Result<std::unique_ptr<BackendLink>> AttachSkLookup(const ContextPtr&, const std::shared_ptr<KernelProgram>&,
                                                    const AttachTarget&);
Result<std::unique_ptr<BackendLink>> AttachFlowDissector(const ContextPtr&, const std::shared_ptr<KernelProgram>&,
                                                         const AttachTarget&);
Result<std::unique_ptr<BackendLink>> AttachNetfilter(const ContextPtr&, const std::shared_ptr<KernelProgram>&,
                                                     const AttachTarget&);
Result<std::unique_ptr<BackendLink>> AttachSocketFilter(const ContextPtr&, const std::shared_ptr<KernelProgram>&,
                                                        const AttachTarget&);
Result<std::unique_ptr<BackendLink>> AttachReuseport(const ContextPtr&, const std::shared_ptr<KernelProgram>&,
                                                     const AttachTarget&);
Result<std::unique_ptr<BackendLink>> AttachSockMap(const ContextPtr&, const std::shared_ptr<KernelProgram>&,
                                                   const AttachTarget&);

}  // namespace strata::kernel
