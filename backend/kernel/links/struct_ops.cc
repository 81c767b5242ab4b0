#include "struct_ops.h"

#include <fmt/format.h>

#include <cerrno>

#include "fd_link.h"
#include "link_error.h"

namespace strata::kernel {
namespace {

constexpr LinkFeature kStructOpsLinks = {"struct_ops links", 6, 4,
                                         "put the variable into section .struct_ops and use RegisterStructOps"};

// What the map's programs do is in the link's hands; who has the map only keeps it for the next link.
class StructOpsLink : public BackendLink {
 public:
  StructOpsLink(ContextPtr context, std::shared_ptr<KernelMap> map)
      : context_(std::move(context)), map_(std::move(map)) {}

  Result<void> Register() {
    LinkCreateAttr attr;
    attr.prog_fd = static_cast<std::uint32_t>(map_->fd());
    attr.attach_type = static_cast<std::uint32_t>(AttachType::kStructOps);
    FdOrErrno link = context_->Open(Command::kLinkCreate, attr);
    if (!link) return Refused(link.sys_errno);
    link_ = STRATA_TRY(FdLink::Adopt(context_, std::move(link.fd)));
    id_ = link_->id();
    return {};
  }

  std::uint32_t id() const override { return id_; }
  Result<std::vector<LinkInstance>> Instances() override { return std::vector<LinkInstance>{}; }
  Result<void> Detach() override { return SetEnabled(false); }

  Result<void> SetEnabled(bool enabled) override {
    if (enabled == (link_ != nullptr)) return {};
    if (enabled) return Register();
    const auto link = std::move(link_);
    return link->Detach();
  }

  Result<LinkInfo> Info() override {
    STRATA_TRY(CheckIsRegistered());
    return link_->Info();
  }

  Result<void> Pin(const std::string& path) override {
    STRATA_TRY(CheckIsRegistered());
    return link_->Pin(path);
  }

  Result<void> UpdateStructOps(const std::shared_ptr<BackendMap>& map,
                               const std::shared_ptr<BackendMap>& expected) override {
    STRATA_TRY(CheckIsRegistered());
    STRATA_TRY(link_->UpdateStructOps(map, expected));
    map_ = std::dynamic_pointer_cast<KernelMap>(map);
    return {};
  }

 private:
  Result<void> CheckIsRegistered() const {
    if (link_ != nullptr) return {};
    return Error(ErrorCode::kInvalidArgument, Place() + ": is disabled or detached");
  }

  std::string Place() const { return "map " + map_->info().name; }

  Error Refused(int sys_errno) const {
    const std::string what = Place() + ": registering it by a link";
    if (sys_errno == EEXIST) {
      return Error(ErrorCode::kBusy, what + ": the kernel has one of this name already", sys_errno);
    }
    Error error = LinkError(*context_, sys_errno, what, kStructOpsLinks);
    if (sys_errno != EINVAL || error.code() == ErrorCode::kNotSupported) return error;
    return Error(ErrorCode::kInvalidArgument,
                 what + ": it is not of section .struct_ops.link, or not all of its programs are loaded", sys_errno);
  }

  ContextPtr context_;
  std::shared_ptr<KernelMap> map_;
  std::unique_ptr<BackendLink> link_;  // null while disabled or detached
  std::uint32_t id_ = 0;
};

}  // namespace

Result<std::unique_ptr<BackendLink>> LinkStructOps(const ContextPtr& context, std::shared_ptr<KernelMap> map) {
  auto link = std::make_unique<StructOpsLink>(context, std::move(map));
  STRATA_TRY(link->Register());
  return std::unique_ptr<BackendLink>(std::move(link));
}

}  // namespace strata::kernel
