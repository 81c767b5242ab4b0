#include "map_defaults.h"

#include <algorithm>
#include <bit>

namespace strata {
namespace {

constexpr std::uint32_t kPageSize = 4096;
constexpr std::uint32_t kLargestPowerOfTwo = 1U << 31;

bool IsRing(MapType type) { return type == MapType::kRingBuf || type == MapType::kUserRingBuf; }

void RoundRing(MapSpec* spec) {
  // A size of zero, or one that cannot be rounded, stays: the backend refuses it by name.
  if (spec->max_entries == 0 || spec->max_entries > kLargestPowerOfTwo) return;
  spec->max_entries = std::max(kPageSize, std::bit_ceil(spec->max_entries));
  spec->key_size = 0;
  spec->value_size = 0;
  spec->key_type = btf::kVoid;
  spec->value_type = btf::kVoid;
}

void SizePerfEventArray(MapSpec* spec, std::uint32_t possible_cpus) {
  if (spec->max_entries == 0 || spec->max_entries > possible_cpus) spec->max_entries = possible_cpus;
  spec->key_size = sizeof(std::uint32_t);
  spec->value_size = sizeof(std::uint32_t);
  spec->key_type = btf::kVoid;
  spec->value_type = btf::kVoid;
}

}  // namespace

MapSpec WithMapDefaults(MapSpec spec, std::uint32_t possible_cpus) {
  if (IsRing(spec.type)) RoundRing(&spec);
  if (spec.type == MapType::kPerfEventArray) SizePerfEventArray(&spec, possible_cpus);
  if (spec.is_data_section) spec.flags |= map_flags::kMmapable;
  for (MapSpec& inner : spec.inner) inner = WithMapDefaults(std::move(inner), possible_cpus);
  return spec;
}

}  // namespace strata
