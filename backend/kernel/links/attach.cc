#include "attach.h"

namespace strata::kernel {
namespace {

constexpr AttachRow kRows[] = {
    {"uprobe", AttachUprobe},
    {"uretprobe", AttachUretprobe},
};

}  // namespace

std::span<const AttachRow> AttachRows() { return kRows; }

}  // namespace strata::kernel
