// A program bound to an event.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "strata/backend/backend.h"
#include "strata/base/result.h"
#include "strata/object/program.h"

namespace strata {

// Move-only. Dropping it detaches; keep it as long as the program shall run. Typed links (uprobe.h, ...) add no state,
// so any of them may be moved into a std::vector<Link>. Not thread-safe.
class [[nodiscard]] STRATA_EXPORT Link {
 public:
  Link(std::shared_ptr<Backend> backend, std::unique_ptr<BackendLink> link)
      : backend_(std::move(backend)), link_(std::move(link)) {}
  Link(Link&&) = default;
  Link& operator=(Link&&) = default;

  std::uint32_t id() const { return link_->id(); }

  // As the destructor, but reports what went wrong.
  Result<void> Detach() &&;

  // Stops and resumes the events without giving up the place.
  Result<void> SetEnabled(bool enabled) { return link_->SetEnabled(enabled); }

  // What each process made of the link; empty in the kernel.
  Result<std::vector<LinkInstance>> Instances() const { return link_->Instances(); }

  // The following are kNotSupported where a backend or a kind of link has nothing like it.
  Result<LinkInfo> Info() const { return link_->Info(); }
  // Puts another program in place, without an event in between that neither sees. With `expected` only where that one
  // is attached now, kBusy otherwise.
  Result<void> Update(const Program& program);
  Result<void> Update(const Program& program, const Program& expected);
  // Keeps the link attached when this object and this process are gone; a path of Backend::PinPath.
  Result<void> Pin(const std::string& path) { return link_->Pin(path); }

 protected:
  const std::unique_ptr<BackendLink>& backend_link() const { return link_; }

 private:
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<BackendLink> link_;
};

// A link that exists already, whoever made it; dropping it closes this handle only. kNotFound, kNotSupported.
STRATA_EXPORT Result<Link> OpenLink(const std::shared_ptr<Backend>& backend, std::uint32_t id);
STRATA_EXPORT Result<Link> OpenPinnedLink(const std::shared_ptr<Backend>& backend, const std::string& path);

// Attaches to a target that is a value already. The typed functions (Executable::AttachUprobe, ...) end here.
STRATA_EXPORT Result<Link> AttachToTarget(const Program& program, const AttachTarget& target,
                                          const BackendAttachOptions& options = {});

}  // namespace strata
