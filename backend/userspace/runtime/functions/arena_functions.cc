// Pages of arenas (kernel/bpf/arena.c, bpf_arena_alloc_pages and its kin).
#include <asm/errno.h>

#include "functions.h"
#include "strata/backend/userspace/runtime/arena.h"

namespace strata::runtime {
namespace {

MapView* ArenaOf(std::uint64_t map) {
  auto* view = reinterpret_cast<MapView*>(map);
  return view != nullptr && view->type == MapType::kArena ? view : nullptr;
}

}  // namespace

// (map, address or 0, pages, node, flags)
STRATA_HELPER(FunctionArenaAllocPages) {
  MapView* arena = ArenaOf(r1);
  return arena == nullptr || r5 != 0 ? 0 : AllocateArenaPages(*arena, r2, static_cast<std::uint32_t>(r3));
}

STRATA_HELPER(FunctionArenaFreePages) {
  MapView* arena = ArenaOf(r1);
  if (arena != nullptr && r2 != 0) FreeArenaPages(*arena, r2, static_cast<std::uint32_t>(r3));
  return 0;
}

STRATA_HELPER(FunctionArenaReservePages) {
  MapView* arena = ArenaOf(r1);
  return Status(arena == nullptr ? -EINVAL : ReserveArenaPages(*arena, r2, static_cast<std::uint32_t>(r3)));
}

// (pointer, size, map)
STRATA_HELPER(HelperArenaMemory) {
  return reinterpret_cast<std::uint64_t>(FindArenaMemory(*reinterpret_cast<MapView*>(r3), r1, r2));
}

}  // namespace strata::runtime
