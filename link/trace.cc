#include "strata/link/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "section_attach.h"
#include "strata/link/auto_attach.h"

namespace strata {
namespace {

struct TraceRow {
  AttachType attach_type;
  std::string_view kind;
};
constexpr TraceRow kRows[] = {
    {AttachType::kTraceRawTp, "tp_btf"},      {AttachType::kTraceFentry, "fentry"},
    {AttachType::kTraceFexit, "fexit"},       {AttachType::kModifyReturn, "fmod_ret"},
    {AttachType::kTraceFsession, "fsession"}, {AttachType::kLsmMac, "lsm"},
};

}  // namespace

Result<Trace> AttachTrace(const Program& program, const TraceOptions& options) {
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows), [&](const TraceRow& candidate) {
    return candidate.attach_type == program.spec().attach_type;
  });
  if (row == std::end(kRows)) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("program {}: section {} names nothing that is hooked by BTF",
                                                          program.name(), program.spec().section_name));
  }
  AttachTarget target;
  target.kind = row->kind;
  target.name = program.spec().attach_to;
  target.cookie = options.cookie;
  return Trace(STRATA_TRY(AttachToTarget(program, target)));
}

Result<Freplace> AttachFreplace(const Program& program, const FreplaceOptions& options) {
  AttachTarget target;
  target.kind = "freplace";
  target.name = options.function.empty() ? program.spec().attach_to : options.function;
  target.cookie = options.cookie;
  const FreplaceConfig config{.program_id = options.target != nullptr ? options.target->info().id : 0};
  target.config = EncodeConfig(config);
  return Freplace(STRATA_TRY(AttachToTarget(program, target)));
}

Result<Link> AttachTraceSection(const Program& program, const AutoAttachOptions&) {
  STRATA_TRY(SectionDetails(program, "NAME"));
  if (program.info().type == ProgramType::kExt) return Link(STRATA_TRY(AttachFreplace(program)));
  return Link(STRATA_TRY(AttachTrace(program)));
}

}  // namespace strata
