// Arenas (kernel/bpf/arena.c): pages that programs and user space share, with pointers in them. A pointer is what user
// space sees, at one address in all processes; programs use its low 32 bits (docs/maps.md).
//
// The file holds all pages, most of them without memory; the table has a byte for each page. Programs touch no page
// but those that the table calls allocated, and these never lose their memory: a program cannot fault here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/map_view.h"

namespace strata::runtime {

inline constexpr std::uint64_t kMostArenaBytes = std::uint64_t{1} << 32;

// Where user space maps the arena; 0 while nobody has. Fixed by MapHeader::map_extra or by who maps it first.
std::uint64_t ArenaAddress(const MapView& map) noexcept;
// False when it was fixed at another address already.
bool FixArenaAddress(MapView& map, std::uint64_t address) noexcept;

// Where this process has the `size_bytes` (1 to 8) at `pointer`, which is the low half of a pointer plus a
// displacement; null where the kernel's access would fault: loads then give 0 and stores are ignored.
std::byte* FindArenaMemory(MapView& map, std::uint64_t pointer, std::uint64_t size_bytes) noexcept;

// The kernel functions of these names: `pointer` 0 lets the arena choose; 0 when there is no room.
std::uint64_t AllocateArenaPages(MapView& map, std::uint64_t pointer, std::uint32_t count) noexcept;
void FreeArenaPages(MapView& map, std::uint64_t pointer, std::uint32_t count) noexcept;
long ReserveArenaPages(MapView& map, std::uint64_t pointer, std::uint32_t count) noexcept;

}  // namespace strata::runtime
