// What kernels ask of the specification of each kind of map: the same since the kind exists, so it can be checked and
// filled in before anything is created.
#pragma once

#include <cstdint>
#include <span>

#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/spec/map_spec.h"

namespace strata {

// Sizes in bytes that a key or value may have.
struct SizeRule {
  enum class Kind : std::uint8_t { kAny, kNone, kOneOf, kAtLeast, kMultipleOf };
  Kind kind = Kind::kAny;
  std::uint32_t size = 0;   // kOneOf: the one that is meant where a specification gives none
  std::uint32_t other = 0;  // kOneOf: another one, or 0
};

enum class EntriesRule : std::uint8_t {
  kAny,        // one at least
  kNone,       // must be 0: elements belong to other objects of the kernel
  kOne,        // exactly one
  kCpus,       // at most one for each possible CPU
  kRingBytes,  // bytes: a power of two and a multiple of the page size
};

namespace map_traits {
inline constexpr std::uint32_t kIndexed = 1U << 0;        // keys are 0 ... max_entries - 1, and each exists
inline constexpr std::uint32_t kPerCpu = 1U << 1;         // an element is one value per possible CPU
inline constexpr std::uint32_t kHoldsMaps = 1U << 2;      // values are maps
inline constexpr std::uint32_t kTypesRequired = 1U << 3;  // made only with BTF for keys and values
}  // namespace map_traits

struct MapRules {
  MapType type;
  SizeRule key;
  SizeRule value;
  EntriesRule entries;
  std::uint32_t required_flags;  // map_flags
  std::uint32_t traits;          // map_traits
};

// One row per kind, in the order of their numbers.
STRATA_EXPORT std::span<const MapRules> AllMapRules();
// Null for a kind that this version does not know.
STRATA_EXPORT const MapRules* FindMapRules(MapType type);
STRATA_EXPORT bool HasTrait(MapType type, std::uint32_t trait);

// kInvalidArgument (EINVAL) naming the field, what is expected and what it is. A kind that is not known passes.
STRATA_EXPORT Result<void> CheckMapSpec(const MapSpec& spec);

}  // namespace strata
