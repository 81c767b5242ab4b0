#include "strata/spec/attach_kind.h"

#include <algorithm>
#include <array>

#include "strata/spec/attach_target.h"

namespace strata {
namespace {

constexpr bool kHooksFile = true;

constexpr std::array kBuiltinKinds = {
    AttachKind{"uprobe", ProgramType::kKprobe, sizeof(UprobeConfig), kHooksFile},
    AttachKind{"uretprobe", ProgramType::kKprobe, sizeof(UprobeConfig), kHooksFile},
};

}  // namespace

std::span<const AttachKind> BuiltinAttachKinds() { return kBuiltinKinds; }

const AttachKind* FindAttachKind(std::span<const AttachKind> kinds, std::string_view name) {
  const auto found =
      std::find_if(kinds.begin(), kinds.end(), [&](const AttachKind& kind) { return kind.name == name; });
  return found != kinds.end() ? &*found : nullptr;
}

}  // namespace strata
