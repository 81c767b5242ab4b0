#include "link_error.h"

#include <fmt/format.h>

#include <cerrno>

namespace strata::kernel {
namespace {

constexpr std::uint32_t Version(std::uint32_t major, std::uint32_t minor) { return major << 16 | minor << 8; }

// How kernels answer to a command, an attach type or an argument that they do not know.
bool IsAnswerOfOldKernels(int sys_errno) { return sys_errno == EINVAL || sys_errno == E2BIG; }

}  // namespace

Error LinkError(const Context& context, int sys_errno, std::string what, const LinkFeature& feature) {
  const std::uint32_t running = context.kernel_version;
  const bool is_old = running != 0 && running < Version(feature.major, feature.minor);
  if (!is_old || !IsAnswerOfOldKernels(sys_errno)) return BpfError(sys_errno, std::move(what));
  what += fmt::format(": {} need Linux {}.{}, this is {}.{}", feature.name, feature.major, feature.minor, running >> 16,
                      running >> 8 & 0xff);
  if (!feature.instead.empty()) what += fmt::format("; {}", feature.instead);
  return Error(ErrorCode::kNotSupported, std::move(what), sys_errno);
}

}  // namespace strata::kernel
