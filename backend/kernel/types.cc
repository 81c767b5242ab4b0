#include "types.h"

#include <fmt/format.h>

#include <cerrno>
#include <vector>

#include "strata/backend/verifier_log.h"

namespace strata::kernel {

Result<std::shared_ptr<BackendTypes>> KernelTypes::Load(const Context& context, std::span<const std::byte> btf) {
  BtfLoadAttr attr;
  attr.btf = AddressOf(btf.data());
  attr.btf_size = static_cast<std::uint32_t>(btf.size());
  FdOrErrno loaded = context.Open(Command::kBtfLoad, attr);
  if (loaded) return std::shared_ptr<BackendTypes>(new KernelTypes(std::move(loaded.fd)));
  std::vector<char> log(std::size_t{64} * 1024, '\0');
  attr.log_buf = AddressOf(log.data());
  attr.log_size = static_cast<std::uint32_t>(log.size() - 1);
  attr.log_level = 1;
  loaded = context.Open(Command::kBtfLoad, attr);
  if (loaded) return std::shared_ptr<BackendTypes>(new KernelTypes(std::move(loaded.fd)));
  const std::string_view text = log.data();
  if (text.empty()) return BpfError(loaded.sys_errno, "loading BTF");
  Error error = BpfError(loaded.sys_errno, fmt::format("loading BTF: {}", ReadVerdict(text).complaint));
  std::string kept(text);
  if (loaded.sys_errno == ENOSPC) kept += TruncationLine(text.size(), attr.log_true_size);
  return std::move(error).WithLog(std::move(kept));
}

}  // namespace strata::kernel
