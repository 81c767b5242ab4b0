#include "map_defaults.h"

#include <algorithm>
#include <bit>

#include "strata/spec/map_rules.h"

namespace strata {
namespace {

constexpr std::uint32_t kPageSize = 4096;
constexpr std::uint32_t kLargestPowerOfTwo = 1U << 31;

void DropTypes(MapSpec* spec) { spec->key_type = spec->value_type = btf::kVoid; }

void RoundRing(MapSpec* spec) {
  // A size of zero, or one that cannot be rounded, stays: the backend refuses it by name.
  if (spec->max_entries == 0 || spec->max_entries > kLargestPowerOfTwo) return;
  spec->max_entries = std::max(kPageSize, std::bit_ceil(spec->max_entries));
  spec->key_size = 0;
  spec->value_size = 0;
  DropTypes(spec);
}

void LimitToCpus(MapSpec* spec, std::uint32_t possible_cpus) {
  if (spec->max_entries == 0 || spec->max_entries > possible_cpus) spec->max_entries = possible_cpus;
}

// Objects often give the type of what programs write to it.
void SetPerfEventSizes(MapSpec* spec) {
  spec->key_size = spec->value_size = sizeof(std::uint32_t);
  DropTypes(spec);
}

void SetIfMissing(std::uint32_t* size, const SizeRule& rule) {
  if (*size == 0 && rule.kind == SizeRule::Kind::kOneOf) *size = rule.size;
}

}  // namespace

MapSpec WithMapDefaults(MapSpec spec, std::uint32_t possible_cpus) {
  const MapRules* rules = FindMapRules(spec.type);
  if (rules == nullptr) return spec;
  if (rules->entries == EntriesRule::kRingBytes) RoundRing(&spec);
  if (rules->entries == EntriesRule::kCpus) LimitToCpus(&spec, possible_cpus);
  if (spec.type == MapType::kPerfEventArray) SetPerfEventSizes(&spec);
  SetIfMissing(&spec.key_size, rules->key);
  SetIfMissing(&spec.value_size, rules->value);
  spec.flags |= rules->required_flags;
  if (spec.is_data_section) spec.flags |= map_flags::kMmapable;
  for (MapSpec& inner : spec.inner) inner = WithMapDefaults(std::move(inner), possible_cpus);
  return spec;
}

}  // namespace strata
