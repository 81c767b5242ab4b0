#include "strata/spec/map_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "strata/spec/type_names.h"

namespace strata {
namespace {

using map_flags::kMmapable;
using map_flags::kNoPrealloc;
using map_traits::kHoldsMaps;
using map_traits::kIndexed;
using map_traits::kPerCpu;
using map_traits::kTypesRequired;

constexpr SizeRule kAny = {SizeRule::Kind::kAny, 0, 0};
constexpr SizeRule kNone = {SizeRule::Kind::kNone, 0, 0};
constexpr SizeRule k4 = {SizeRule::Kind::kOneOf, 4, 0};
constexpr SizeRule k4Or8 = {SizeRule::Kind::kOneOf, 4, 8};
constexpr SizeRule k8Or16 = {SizeRule::Kind::kOneOf, 16, 8};       // struct bpf_cgroup_storage_key, or the cgroup's id
constexpr SizeRule kTrieKey = {SizeRule::Kind::kAtLeast, 5, 0};    // the length of the prefix, and data
constexpr SizeRule kStack = {SizeRule::Kind::kMultipleOf, 8, 0};   // addresses
constexpr SizeRule kTarget = {SizeRule::Kind::kMultipleOf, 8, 0};  // struct bpf_insn_array_value
constexpr std::uint32_t kPageSize = 4096;
constexpr std::uint32_t kStorageTraits = kTypesRequired;

// kernel/bpf/*.c: map_alloc_check of each kind.
constexpr MapRules kRules[] = {
    {MapType::kHash, kAny, kAny, EntriesRule::kAny, 0, 0},
    {MapType::kArray, k4, kAny, EntriesRule::kAny, 0, kIndexed},
    {MapType::kProgArray, k4, k4, EntriesRule::kAny, 0, kIndexed},
    {MapType::kPerfEventArray, k4, k4, EntriesRule::kCpus, 0, kIndexed},
    {MapType::kPerCpuHash, kAny, kAny, EntriesRule::kAny, 0, kPerCpu},
    {MapType::kPerCpuArray, k4, kAny, EntriesRule::kAny, 0, kIndexed | kPerCpu},
    {MapType::kStackTrace, k4, kStack, EntriesRule::kAny, 0, 0},
    {MapType::kCgroupArray, k4, k4, EntriesRule::kAny, 0, kIndexed},
    {MapType::kLruHash, kAny, kAny, EntriesRule::kAny, 0, 0},
    {MapType::kLruPerCpuHash, kAny, kAny, EntriesRule::kAny, 0, kPerCpu},
    {MapType::kLpmTrie, kTrieKey, kAny, EntriesRule::kAny, kNoPrealloc, 0},
    {MapType::kArrayOfMaps, k4, k4, EntriesRule::kAny, 0, kIndexed | kHoldsMaps},
    {MapType::kHashOfMaps, kAny, k4, EntriesRule::kAny, 0, kHoldsMaps},
    {MapType::kDevMap, k4, k4Or8, EntriesRule::kAny, 0, kIndexed},
    {MapType::kSockMap, k4, k4Or8, EntriesRule::kAny, 0, kIndexed},
    {MapType::kCpuMap, k4, k4Or8, EntriesRule::kCpus, 0, kIndexed},
    {MapType::kXskMap, k4, k4, EntriesRule::kAny, 0, kIndexed},
    {MapType::kSockHash, kAny, k4Or8, EntriesRule::kAny, 0, 0},
    {MapType::kCgroupStorage, k8Or16, kAny, EntriesRule::kNone, 0, 0},
    {MapType::kReusePortSockArray, k4, k4Or8, EntriesRule::kAny, 0, kIndexed},
    {MapType::kPerCpuCgroupStorage, k8Or16, kAny, EntriesRule::kNone, 0, kPerCpu},
    {MapType::kQueue, kNone, kAny, EntriesRule::kAny, 0, 0},
    {MapType::kStack, kNone, kAny, EntriesRule::kAny, 0, 0},
    {MapType::kSkStorage, k4, kAny, EntriesRule::kNone, kNoPrealloc, kStorageTraits},
    {MapType::kDevMapHash, k4, k4Or8, EntriesRule::kAny, 0, 0},
    {MapType::kStructOps, k4, kAny, EntriesRule::kOne, 0, kIndexed},
    {MapType::kRingBuf, kNone, kNone, EntriesRule::kRingBytes, 0, 0},
    {MapType::kInodeStorage, k4, kAny, EntriesRule::kNone, kNoPrealloc, kStorageTraits},
    {MapType::kTaskStorage, k4, kAny, EntriesRule::kNone, kNoPrealloc, kStorageTraits},
    {MapType::kBloomFilter, kNone, kAny, EntriesRule::kAny, 0, 0},
    {MapType::kUserRingBuf, kNone, kNone, EntriesRule::kRingBytes, 0, 0},
    {MapType::kCgrpStorage, k4, kAny, EntriesRule::kNone, kNoPrealloc, kStorageTraits},
    {MapType::kArena, kNone, kNone, EntriesRule::kAny, kMmapable, 0},
    {MapType::kInsnArray, k4, kTarget, EntriesRule::kAny, 0, kIndexed},
};

Error Refused(const MapSpec& spec, std::string_view field, std::string_view expected, std::string_view got) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("map {}: {}: expected {} for a map of type {}, got {}", spec.name, field, expected,
                           MapTypeName(spec.type), got),
               EINVAL);
}

// Empty for a size that fits.
std::string ExpectedSize(const SizeRule& rule, std::uint32_t size) {
  switch (rule.kind) {
    case SizeRule::Kind::kAny:
      return size > 0 ? "" : "1 byte or more";
    case SizeRule::Kind::kNone:
      return size == 0 ? "" : "0 bytes";
    case SizeRule::Kind::kOneOf:
      if (size == rule.size || (size == rule.other && size != 0)) return "";
      return rule.other == 0
                 ? fmt::format("{} bytes", rule.size)
                 : fmt::format("{} or {} bytes", std::min(rule.size, rule.other), std::max(rule.size, rule.other));
    case SizeRule::Kind::kAtLeast:
      return size >= rule.size ? "" : fmt::format("{} bytes or more", rule.size);
    case SizeRule::Kind::kMultipleOf:
      return size != 0 && size % rule.size == 0 ? "" : fmt::format("a multiple of {} bytes", rule.size);
  }
  return "";
}

Result<void> CheckSize(const MapSpec& spec, std::string_view field, const SizeRule& rule, std::uint32_t size) {
  const std::string expected = ExpectedSize(rule, size);
  if (expected.empty()) return {};
  return Refused(spec, field, expected, std::to_string(size));
}

bool IsRingSize(std::uint32_t size) { return size != 0 && size % kPageSize == 0 && (size & (size - 1)) == 0; }

// Empty for a number that fits. How many CPUs there are is not known here.
std::string_view ExpectedEntries(EntriesRule rule, std::uint32_t entries) {
  switch (rule) {
    case EntriesRule::kAny:
    case EntriesRule::kCpus:
      return entries > 0 ? "" : "1 or more";
    case EntriesRule::kNone:
      return entries == 0 ? "" : "0";
    case EntriesRule::kOne:
      return entries == 1 ? "" : "1";
    case EntriesRule::kRingBytes:
      return IsRingSize(entries) ? "" : "a power of two and a multiple of the page size";
  }
  return "";
}

Result<void> CheckFlags(const MapSpec& spec, const MapRules& rules) {
  if ((spec.flags & rules.required_flags) != rules.required_flags) {
    return Refused(spec, "flags", fmt::format("{:#x} to be set", rules.required_flags),
                   fmt::format("{:#x}", spec.flags));
  }
  constexpr std::uint32_t kUser = map_flags::kReadOnly | map_flags::kWriteOnly;
  constexpr std::uint32_t kProgram = map_flags::kReadOnlyProgram | map_flags::kWriteOnlyProgram;
  if ((spec.flags & kUser) == kUser || (spec.flags & kProgram) == kProgram) {
    return Refused(spec, "flags", "at most one of read-only and write-only on each side",
                   fmt::format("{:#x}", spec.flags));
  }
  return {};
}

}  // namespace

std::span<const MapRules> AllMapRules() { return kRules; }

const MapRules* FindMapRules(MapType type) {
  const auto index = static_cast<std::size_t>(type) - 1;  // the table has no hole, which its test checks
  return index < std::size(kRules) ? &kRules[index] : nullptr;
}

bool HasTrait(MapType type, std::uint32_t trait) {
  const MapRules* rules = FindMapRules(type);
  return rules != nullptr && (rules->traits & trait) != 0;
}

Result<void> CheckMapSpec(const MapSpec& spec) {
  const MapRules* rules = FindMapRules(spec.type);
  if (rules == nullptr) return {};
  STRATA_TRY(CheckSize(spec, "key_size", rules->key, spec.key_size));
  STRATA_TRY(CheckSize(spec, "value_size", rules->value, spec.value_size));
  if (const auto expected = ExpectedEntries(rules->entries, spec.max_entries); !expected.empty()) {
    return Refused(spec, "max_entries", expected, std::to_string(spec.max_entries));
  }
  STRATA_TRY(CheckFlags(spec, *rules));
  if ((rules->traits & kHoldsMaps) != 0 && spec.inner.empty()) {
    return Refused(spec, "inner", "a template of the maps that it holds", "none");
  }
  return {};
}

}  // namespace strata
