#include "place.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

namespace strata::kernel {
namespace {

Result<UniqueFd> Open(const std::string& path, int flags, std::string_view what) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
  if (!fd) return Error::FromErrno(errno, fmt::format("{} {}: opening it", what, path));
  return fd;
}

}  // namespace

Result<UniqueFd> OpenFolder(const std::string& path, std::string_view what) { return Open(path, O_DIRECTORY, what); }

Result<UniqueFd> OpenNamespace(const std::string& path) { return Open(path, 0, "network namespace"); }

// kernel/bpf/mprog.c: a side without a neighbour is the end of that side.
AnchorAttr EncodeAnchor(const Anchor& anchor) {
  AnchorAttr attr;
  switch (anchor.side) {
    case Anchor::Side::kLast:
      return attr;
    case Anchor::Side::kFirst:
      attr.flags = attach_flags::kBefore;
      return attr;
    case Anchor::Side::kBefore:
      attr.flags = attach_flags::kBefore;
      break;
    case Anchor::Side::kAfter:
      attr.flags = attach_flags::kAfter;
      break;
  }
  attr.flags |= attach_flags::kId;
  if (anchor.neighbour == Anchor::Neighbour::kLink) attr.flags |= attach_flags::kLink;
  attr.relative = anchor.id;
  return attr;
}

}  // namespace strata::kernel
