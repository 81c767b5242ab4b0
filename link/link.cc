#include "strata/link/link.h"

namespace strata {

Result<void> Link::Detach() && {
  if (link_ == nullptr) return {};
  const auto link = std::move(link_);
  return link->Detach();
}

Result<Link> AttachToTarget(const Program& program, const AttachTarget& target, const BackendAttachOptions& options) {
  auto link = STRATA_TRY(program.backend()->Attach(program.backend_program(), target, options));
  return Link(program.backend(), std::move(link));
}

}  // namespace strata
