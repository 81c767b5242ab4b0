#include "link_group.h"

namespace strata::kernel {

std::unique_ptr<BackendLink> LinkGroup::Of(std::vector<std::unique_ptr<BackendLink>> links, std::string kind) {
  if (links.size() == 1) return std::move(links.front());
  return std::unique_ptr<BackendLink>(new LinkGroup(std::move(links), std::move(kind)));
}

// All of them, whatever one says; the first error counts.
Result<void> LinkGroup::Detach() {
  Result<void> first;
  for (const auto& link : links_) {
    Result<void> detached = link->Detach();
    if (!detached && first) first = std::move(detached);
  }
  return first;
}

Result<void> LinkGroup::SetEnabled(bool enabled) {
  for (const auto& link : links_) STRATA_TRY(link->SetEnabled(enabled));
  return {};
}

Result<LinkInfo> LinkGroup::Info() {
  LinkInfo info = STRATA_TRY(links_.front()->Info());
  info.kind = kind_;
  info.place_count = static_cast<std::uint32_t>(links_.size());
  return info;
}

}  // namespace strata::kernel
