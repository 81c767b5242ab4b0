// Several links that are one to whoever made them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "strata/backend/backend.h"

namespace strata::kernel {

// What the kernel has no single link for: an event on every CPU, many uprobes before Linux 6.6. Its id is the first
// one's.
class LinkGroup : public BackendLink {
 public:
  // The only one itself where there is one. `links` is not empty.
  static std::unique_ptr<BackendLink> Of(std::vector<std::unique_ptr<BackendLink>> links, std::string kind);

  std::uint32_t id() const override { return links_.front()->id(); }
  Result<void> Detach() override;
  Result<void> SetEnabled(bool enabled) override;
  Result<std::vector<LinkInstance>> Instances() override { return std::vector<LinkInstance>{}; }
  Result<LinkInfo> Info() override;

 private:
  LinkGroup(std::vector<std::unique_ptr<BackendLink>> links, std::string kind)
      : links_(std::move(links)), kind_(std::move(kind)) {}
  std::vector<std::unique_ptr<BackendLink>> links_;
  std::string kind_;
};

}  // namespace strata::kernel
