// What kinds without an operation put into its column.
#include "ops.h"

namespace strata::runtime {

void NothingToInitialize(MapView& /*map*/) noexcept {}
long NothingToOpen(MapView& /*map*/) noexcept { return 0; }
long UnsupportedTake(MapView& /*map*/, const void* /*key*/, void* /*value*/) noexcept { return kNotSupportedErrno; }

}  // namespace strata::runtime
