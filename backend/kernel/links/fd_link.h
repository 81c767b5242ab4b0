// A BPF link: the descriptor that keeps a program attached.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "context.h"
#include "program.h"
#include "strata/backend/backend.h"

namespace strata::kernel {

class FdLink : public BackendLink {
 public:
  // Attaches the program; called again when the link is enabled again. It owns what the link needs beside the program
  // (a perf event, the descriptor of a cgroup).
  using Make = std::function<Result<UniqueFd>(const KernelProgram& program)>;

  // `kind` is the attach target's.
  static Result<std::unique_ptr<BackendLink>> Create(const ContextPtr& context, std::shared_ptr<KernelProgram> program,
                                                     const AttachTarget& target, Make make);
  // A link that exists already. It cannot be disabled, because nobody here knows how it was made.
  static Result<std::unique_ptr<BackendLink>> Adopt(const ContextPtr& context, UniqueFd fd);

  std::uint32_t id() const override { return info_.id; }
  Result<void> Detach() override;
  Result<void> SetEnabled(bool enabled) override;
  Result<std::vector<LinkInstance>> Instances() override { return std::vector<LinkInstance>{}; }
  Result<LinkInfo> Info() override;
  Result<void> Update(const std::shared_ptr<BackendProgram>& program,
                      const std::shared_ptr<BackendProgram>& expected) override;
  Result<void> UpdateStructOps(const std::shared_ptr<BackendMap>& map,
                               const std::shared_ptr<BackendMap>& expected) override;
  Result<void> Pin(const std::string& path) override;
  Result<UniqueFd> OpenIterator() override;

 private:
  FdLink(ContextPtr context, std::shared_ptr<KernelProgram> program, Make make)
      : context_(std::move(context)), program_(std::move(program)), make_(std::move(make)) {}
  Result<void> CheckIsAttached() const;
  std::string Place() const;

  ContextPtr context_;
  std::shared_ptr<KernelProgram> program_;  // null for an adopted link
  Make make_;
  UniqueFd fd_;  // none while disabled or detached
  LinkInfo info_;
};

// kLinkCreate for `program`; the caller has set the rest.
Result<UniqueFd> CreateLink(const Context& context, const KernelProgram& program, LinkCreateAttr attr);

// Whether the kernel knows links of an attach type: it says EINVAL of those that it does not know before it looks at
// anything else. `attr` is one of that type that cannot succeed, with another errno where they are known. To be asked
// after a failure.
bool KnowsLinks(const Context& context, ProgramType program_type, LinkCreateAttr attr);

// What the kernel tells of a link.
Result<LinkInfo> ReadLinkInfo(const Context& context, int fd);

// Whether links of its type can be given another program; true of types that are not known here.
bool TakesPrograms(const Context& context, int fd);

}  // namespace strata::kernel
