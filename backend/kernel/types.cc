#include "types.h"

#include <fmt/format.h>

#include <array>
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

namespace {

constexpr std::size_t kLongestName = 64;  // MODULE_NAME_LEN

struct NamedRecord {
  BtfInfoRecord record;
  std::array<char, kLongestName> name{};
};

// 0 or an errno. `bytes`: where the BTF itself shall be written; empty for nowhere.
int ReadRecord(const Context& context, int fd, std::span<std::byte> bytes, NamedRecord& named) {
  named.record = {};
  named.record.name = AddressOf(named.name.data());
  named.record.name_len = kLongestName;
  named.record.btf = bytes.empty() ? 0 : AddressOf(bytes.data());
  named.record.btf_size = static_cast<std::uint32_t>(bytes.size());
  return context.Info(fd, named.record);
}

}  // namespace

Result<TypesInfo> ReadTypesInfo(const Context& context, int fd) {
  NamedRecord named;
  if (const int error = ReadRecord(context, fd, {}, named); error != 0) return BpfError(error, "reading a BTF's info");
  return TypesInfo{named.record.id, named.name.data(), named.record.btf_size, named.record.kernel_btf != 0};
}

Result<std::shared_ptr<const btf::Btf>> ReadTypes(const Context& context, std::uint32_t id, const KernelFacts& kernel) {
  const std::string what = fmt::format("BTF {}", id);
  const FdOrErrno opened = context.OpenById(Command::kBtfOpenById, id);
  if (!opened) return BpfError(opened.sys_errno, what + ": opening it");
  const TypesInfo info = STRATA_TRY(ReadTypesInfo(context, opened.fd.get()).Context(what));
  if (info.name == "vmlinux") return kernel.Types();
  std::vector<std::byte> bytes(info.size_bytes);
  NamedRecord named;
  if (const int error = ReadRecord(context, opened.fd.get(), bytes, named); error != 0) {
    return BpfError(error, what + ": reading it");
  }
  std::shared_ptr<const btf::Btf> base;
  if (info.is_kernel) base = STRATA_TRY(kernel.Types());
  return btf::Btf::Parse(std::move(bytes), what, std::move(base));
}

}  // namespace strata::kernel
