#include "context.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

namespace strata::kernel {
namespace {

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool IsOnBpfFs(const std::string& folder) {
  struct statfs status {};
  return ::statfs(folder.c_str(), &status) == 0 && status.f_type == static_cast<decltype(status.f_type)>(BPF_FS_MAGIC);
}

}  // namespace

FdOrErrno Context::AsFd(long result) {
  if (result < 0) return {UniqueFd(), static_cast<int>(-result)};
  UniqueFd fd(static_cast<int>(result));
  if (result > 2) return {std::move(fd), 0};
  const int moved = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3);
  if (moved < 0) return {UniqueFd(), errno};
  return {UniqueFd(moved), 0};
}

FdOrErrno Context::OpenById(Command command, std::uint32_t id) const {
  IdAttr attr;
  attr.id = id;
  return Open(command, attr);
}

FdOrErrno Context::OpenPinned(const std::string& path, std::uint32_t file_flags) const {
  PathAttr attr;
  attr.pathname = AddressOf(path.c_str());
  attr.file_flags = file_flags;
  return Open(Command::kOpenPinned, attr);
}

ObjectNameBytes ObjectName(std::string_view name) {
  ObjectNameBytes result{};
  name = name.substr(0, result.size() - 1);
  std::transform(name.begin(), name.end(), result.begin(), [](char c) {
    const bool is_allowed = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
    return is_allowed ? c : '_';
  });
  return result;
}

Result<void> PinObject(const Context& context, int fd, const std::string& path, std::string_view what) {
  PathAttr attr;
  attr.pathname = AddressOf(path.c_str());
  attr.bpf_fd = static_cast<std::uint32_t>(fd);
  const long result = context.Bpf(Command::kPin, attr);
  if (result == 0) return {};
  const int sys_errno = static_cast<int>(-result);
  std::string text = fmt::format("{}: pinning it at {}", what, path);
  const std::string folder = FolderOf(path);
  if (sys_errno != ENOENT && sys_errno != EEXIST && !IsOnBpfFs(folder)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: {} is no BPF file system; mount one there (mount -t bpf bpf {}) or use /sys/fs/bpf",
                             text, folder, folder),
                 sys_errno);
  }
  return BpfError(sys_errno, std::move(text));
}

}  // namespace strata::kernel
