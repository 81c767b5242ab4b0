#include "strata/link/cgroup.h"

#include "attach_type.h"

namespace strata {

Result<CgroupLink> AttachCgroup(const Program& program, const std::string& path, const CgroupOptions& options) {
  AttachTarget target;
  target.kind = "cgroup";
  target.path = path;
  target.config = EncodeConfig(CgroupConfig {
    .attach_type = STRATA_TRY(ChooseAttachType(program, options.attach_type, "CgroupOptions"))
    , .mode = options.mode, .anchor = options.anchor, .expected_revision = options.expected_revision,
  });
  return CgroupLink(STRATA_TRY(AttachToTarget(program, target).Context("program " + program.name())));
}

}  // namespace strata
