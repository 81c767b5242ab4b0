#include "token.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "strata/backend/feature.h"

namespace strata::kernel {

Result<UniqueFd> CreateToken(const Context& context, const std::string& path) {
  const std::string what = fmt::format("{}: making a BPF token", path);
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return Error::FromErrno(errno, what);
  TwoNumbersAttr attr{0, static_cast<std::uint32_t>(folder.get())};
  FdOrErrno token = context.Open(Command::kTokenCreate, attr);
  if (token) return std::move(token.fd);
  switch (token.sys_errno) {
    case ENOENT:
      return Error(ErrorCode::kPermissionDenied,
                   what +
                       ": it delegates nothing; mount it with delegate_cmds, delegate_maps, delegate_progs and "
                       "delegate_attachs",
                   ENOENT);
    case EOPNOTSUPP:
      return Error(ErrorCode::kInvalidArgument,
                   what + ": a token is for other user namespaces than the first one, and that is where this is",
                   EOPNOTSUPP);
    case EPERM:
      return Error(ErrorCode::kPermissionDenied,
                   what + ": it was not mounted for this user namespace, or this process lacks CAP_BPF in it", EPERM);
    case EINVAL:
      return NotSupported(Ability::kToken, {Support::kNo, {}}).WithContext(what + " (or it is no BPF file system)");
    default:
      return BpfError(token.sys_errno, what);
  }
}

}  // namespace strata::kernel
