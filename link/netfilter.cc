#include "strata/link/netfilter.h"

#include "strata/spec/network_target.h"

namespace strata {
namespace {

constexpr std::uint32_t kIpDefrag = 1U << 0;  // BPF_F_NETFILTER_IP_DEFRAG

}  // namespace

Result<NetfilterLink> AttachNetfilter(const Program& program, const NetfilterOptions& options) {
  AttachTarget target;
  target.kind = "netfilter";
  target.config = EncodeConfig(NetfilterConfig{.protocol_family = static_cast<std::uint32_t>(options.family),
                                               .hook = static_cast<std::uint32_t>(options.hook),
                                               .priority = options.priority,
                                               .flags = options.defragment ? kIpDefrag : 0});
  return NetfilterLink(STRATA_TRY(AttachToTarget(program, target)));
}

}  // namespace strata
