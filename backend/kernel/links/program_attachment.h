// A program attached by BPF_PROG_ATTACH: no descriptor holds it, so this object does.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "context.h"
#include "program.h"
#include "strata/backend/backend.h"
#include "strata/base/owner_process.h"

namespace strata::kernel {

class ProgramAttachment : public BackendLink {
 public:
  struct Place {
    UniqueFd fd;  // of the cgroup or the map
    AttachType attach_type = AttachType::kNone;
    std::uint32_t flags = 0;
    LinkInfo info;  // what Info() shall say of it
  };
  static Result<std::unique_ptr<BackendLink>> Create(const ContextPtr& context, std::shared_ptr<KernelProgram> program,
                                                     Place place);
  ~ProgramAttachment() override;

  std::uint32_t id() const override { return 0; }
  Result<void> Detach() override { return SetEnabled(false); }
  Result<void> SetEnabled(bool enabled) override;
  Result<std::vector<LinkInstance>> Instances() override { return std::vector<LinkInstance>{}; }
  Result<LinkInfo> Info() override;
  // `expected` is compared with what this object attached; what another one put in its place is seen with kMulti only.
  Result<void> Update(const std::shared_ptr<BackendProgram>& program,
                      const std::shared_ptr<BackendProgram>& expected) override;

 private:
  ProgramAttachment(ContextPtr context, std::shared_ptr<KernelProgram> program, Place place)
      : context_(std::move(context)), program_(std::move(program)), place_(std::move(place)) {}
  long Call(Command command, const KernelProgram& program, const KernelProgram* replaced) const;
  std::string Text() const;

  ContextPtr context_;
  std::shared_ptr<KernelProgram> program_;
  Place place_;
  bool is_attached_ = false;
  OwnerProcess owner_;
};

}  // namespace strata::kernel
