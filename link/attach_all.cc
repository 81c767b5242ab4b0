#include "strata/link/attach_all.h"

namespace strata {

Result<AttachedCollection> AttachAll(const Collection& collection, const AutoAttachOptions& options) {
  AttachedCollection attached;
  for (const auto& [name, program] : collection.programs()) {
    auto link = AutoAttach(program, options);
    if (link) {
      attached.links.push_back(*std::move(link));
    } else if (!NamesPlace(program)) {
      attached.skipped.push_back({name, std::move(link).error()});
    } else {
      return std::move(link).error();
    }
  }
  return attached;
}

}  // namespace strata
