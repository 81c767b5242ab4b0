#include "strata/link/netns.h"

namespace strata {
namespace {

Result<Link> Attach(const char* kind, const Program& program, const NetnsOptions& options) {
  AttachTarget target;
  target.kind = kind;
  target.path = options.path;
  return AttachToTarget(program, target).Context(kind);
}

}  // namespace

Result<SkLookupLink> AttachSkLookup(const Program& program, const NetnsOptions& options) {
  return SkLookupLink(STRATA_TRY(Attach("sk_lookup", program, options)));
}

Result<FlowDissectorLink> AttachFlowDissector(const Program& program, const NetnsOptions& options) {
  return FlowDissectorLink(STRATA_TRY(Attach("flow_dissector", program, options)));
}

}  // namespace strata
