#include "strata/link/link.h"

namespace strata {

Result<void> Link::Detach() && {
  if (link_ == nullptr) return {};
  const auto link = std::move(link_);
  return link->Detach();
}

Result<void> Link::Update(const Program& program) { return link_->Update(program.backend_program(), nullptr); }

Result<void> Link::Update(const Program& program, const Program& expected) {
  return link_->Update(program.backend_program(), expected.backend_program());
}

Result<Link> OpenLink(const std::shared_ptr<Backend>& backend, std::uint32_t id) {
  return Link(backend, STRATA_TRY(backend->OpenLink(id)));
}

Result<Link> OpenPinnedLink(const std::shared_ptr<Backend>& backend, const std::string& path) {
  return Link(backend, STRATA_TRY(backend->OpenPinnedLink(path)));
}

Result<Link> AttachToTarget(const Program& program, const AttachTarget& target, const BackendAttachOptions& options) {
  auto link = STRATA_TRY(program.backend()->Attach(program.backend_program(), target, options));
  return Link(program.backend(), std::move(link));
}

}  // namespace strata
