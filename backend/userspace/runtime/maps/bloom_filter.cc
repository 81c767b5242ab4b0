// Bloom filter (kernel/bpf/bloom_filter.c): bits that are set and never cleared, so no operation needs a lock, and who
// dies between two bits leaves a value that was not added.
#include "key_hash.h"
#include "ops.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kMostHashFunctions = 15;
constexpr std::uint32_t kUsualHashFunctions = 5;
constexpr std::uint64_t kMostBits = std::uint64_t{1} << 32;

// Indices into MapView::derived.
enum BloomDerived : std::uint32_t { kBitMask, kHashFunctions };

std::uint32_t HashFunctions(std::uint64_t map_extra) {
  return map_extra == 0 ? kUsualHashFunctions : static_cast<std::uint32_t>(map_extra);
}

// bloom_map_alloc: 7/5 bits per element and function are about 1/ln(2), in steps of powers of two.
std::uint64_t BitCount(std::uint32_t max_entries, std::uint32_t hash_functions) {
  const std::uint64_t product = std::uint64_t{max_entries} * hash_functions;
  if (product > 0xffffffff) return kMostBits;
  const std::uint64_t wanted = product / 5 * 7;
  if (wanted > std::uint64_t{1} << 31) return kMostBits;
  std::uint64_t bits = 64;
  while (bits < wanted) bits *= 2;
  return bits;
}

long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  if (attributes.value_size > kMaxAllocation) return -E2BIG;
  if (attributes.key_size != 0 || attributes.value_size == 0 || attributes.max_entries == 0 ||
      !AreFlagsValid(attributes.flags, map_flags::kNumaNode | map_flags::kZeroSeed | map_flags::kAccess) ||
      attributes.map_extra > kMostHashFunctions)
    return -EINVAL;
  out->value_stride = static_cast<std::uint32_t>(RoundUp(attributes.value_size, 8));
  out->table_size = RoundUp(BitCount(attributes.max_entries, HashFunctions(attributes.map_extra)) / 8, kPageSize);
  return 0;
}

long Open(MapView& map) noexcept {
  // The size of the table has been checked against the same number.
  const std::uint32_t hash_functions = HashFunctions(map.header->map_extra);
  if (hash_functions > kMostHashFunctions) return -EBADMSG;
  map.derived[kHashFunctions] = hash_functions;
  map.derived[kBitMask] = BitCount(map.max_entries, hash_functions) - 1;
  return map.derived[kBitMask] / 8 < map.geometry.table_size ? 0 : -EBADMSG;
}

// One hash gives all places: a start, and an odd distance from each to the next.
struct Places {
  std::uint64_t next;
  std::uint64_t step;
};

Places PlacesOf(const MapView& map, const void* value) {
  const std::uint64_t hash = HashKey(value, map.value_size, map.hash_seed);
  return {hash, (hash >> 32 | hash << 32) * 0x9e3779b97f4a7c15 >> 16 | 1};
}

long Push(MapView& map, const void* value, std::uint64_t flags) noexcept {
  if (flags != 0) return -EINVAL;
  auto* words = reinterpret_cast<std::uint64_t*>(map.table);
  Places places = PlacesOf(map, value);
  for (std::uint64_t i = 0; i < map.derived[kHashFunctions]; ++i, places.next += places.step) {
    const std::uint64_t place = places.next & map.derived[kBitMask];
    const std::uint64_t bit = std::uint64_t{1} << (place % 64);
    // Most bits are set already in a filter that is in use, and reading does not take the line from others.
    if ((__atomic_load_n(&words[place / 64], __ATOMIC_RELAXED) & bit) == 0)
      __atomic_fetch_or(&words[place / 64], bit, __ATOMIC_RELAXED);
  }
  return 0;
}

long Peek(MapView& map, void* value) noexcept {
  const auto* words = reinterpret_cast<const std::uint64_t*>(map.table);
  Places places = PlacesOf(map, value);
  for (std::uint64_t i = 0; i < map.derived[kHashFunctions]; ++i, places.next += places.step) {
    const std::uint64_t place = places.next & map.derived[kBitMask];
    if ((__atomic_load_n(&words[place / 64], __ATOMIC_RELAXED) >> (place % 64) & 1) == 0) return -ENOENT;
  }
  return 0;
}

// The value is what is asked for.
long CopyOut(MapView& map, const void* /*key*/, void* value, std::uint64_t /*flags*/) noexcept {
  return Peek(map, value);
}
long CopyIn(MapView& map, const void* /*key*/, const void* value, std::uint64_t flags) noexcept {
  return Push(map, value, flags);
}

// There are no keys.
void* Lookup(MapView& /*map*/, const void* /*key*/, std::uint32_t /*slot*/) noexcept { return nullptr; }
long Update(MapView& /*map*/, const void* /*key*/, const void* /*value*/, std::uint64_t /*flags*/,
            std::uint32_t /*slot*/) noexcept {
  return -EINVAL;
}
long Pop(MapView& /*map*/, void* /*value*/) noexcept { return -EOPNOTSUPP; }
long Erase(MapView& /*map*/, const void* /*key*/) noexcept { return -EOPNOTSUPP; }
long ForEach(MapView& /*map*/, std::uint32_t /*slot*/, ElementVisitor /*visit*/, void* /*argument*/) noexcept {
  return -EINVAL;
}
long NextKey(MapView& /*map*/, const void* /*key*/, void* /*next*/) noexcept { return -EOPNOTSUPP; }

}  // namespace

constexpr MapOps kBloomFilterOps = {
    .traits = 0,
    .geometry = Geometry,
    .open = Open,
    .lookup = Lookup,
    .update = Update,
    .erase = Erase,
    .for_each = ForEach,
    .push = Push,
    .pop = Pop,
    .peek = Peek,
    .copy_out = CopyOut,
    .copy_in = CopyIn,
    .next_key = NextKey,
};

}  // namespace strata::runtime
