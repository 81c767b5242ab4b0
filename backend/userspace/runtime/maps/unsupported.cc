// What kinds without an operation put into its column.
#include "ops.h"

namespace strata::runtime {

void NothingToInitialize(MapView& /*map*/) noexcept {}
long NothingToOpen(MapView& /*map*/) noexcept { return 0; }
long UnsupportedTake(MapView& /*map*/, const void* /*key*/, void* /*value*/, std::uint64_t /*flags*/) noexcept {
  return kNotSupportedErrno;
}
long UnsupportedPush(MapView& /*map*/, const void* /*value*/, std::uint64_t /*flags*/) noexcept {
  return kNotSupportedErrno;
}
long UnsupportedPop(MapView& /*map*/, void* /*value*/) noexcept { return kNotSupportedErrno; }

}  // namespace strata::runtime
