#include "strata/link/tracepoint.h"

#include "section_attach.h"
#include "strata/link/auto_attach.h"

namespace strata {

Result<Tracepoint> AttachTracepoint(const Program& program, std::string_view category, std::string_view name,
                                    const TracepointOptions& options) {
  AttachTarget target;
  target.kind = "tracepoint";
  target.name = std::string(category) + "/" + std::string(name);
  target.cookie = options.cookie;
  return Tracepoint(STRATA_TRY(AttachToTarget(program, target)));
}

Result<RawTracepoint> AttachRawTracepoint(const Program& program, std::string_view name,
                                          const TracepointOptions& options) {
  AttachTarget target;
  target.kind = "raw_tracepoint";
  target.name = name;
  target.cookie = options.cookie;
  return RawTracepoint(STRATA_TRY(AttachToTarget(program, target)));
}

// SEC("tracepoint/syscalls/sys_enter_openat").
Result<Link> AttachTracepointSection(const Program& program, const AutoAttachOptions&) {
  const std::string_view text = STRATA_TRY(SectionDetails(program, "CATEGORY/NAME"));
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return NamesNoPlace(program, "CATEGORY/NAME");
  return Link(STRATA_TRY(AttachTracepoint(program, text.substr(0, slash), text.substr(slash + 1))));
}

Result<Link> AttachRawTracepointSection(const Program& program, const AutoAttachOptions&) {
  return Link(STRATA_TRY(AttachRawTracepoint(program, STRATA_TRY(SectionDetails(program, "NAME")))));
}

}  // namespace strata
