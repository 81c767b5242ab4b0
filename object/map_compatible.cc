#include "map_compatible.h"

#include <fmt/format.h>

#include "strata/spec/type_names.h"

namespace strata {
namespace {

std::uint32_t MeaninglessFlags(const MapSpec& wanted) {
  std::uint32_t flags = map_flags::kReadOnly | map_flags::kWriteOnly;
  const bool is_device_map = wanted.type == MapType::kDevMap || wanted.type == MapType::kDevMapHash;
  if (is_device_map) flags |= map_flags::kReadOnlyProgram;
  if (wanted.is_data_section) flags |= map_flags::kMmapable;
  return flags;
}

Error Differs(const MapSpec& wanted, const MapInfo& existing, std::string_view field, const std::string& expected,
              const std::string& got) {
  return Error(ErrorCode::kMapIncompatible, fmt::format("map {}: {}: expected {}, the existing map (id {}) has {}",
                                                        wanted.name, field, expected, existing.id, got));
}

}  // namespace

Result<void> CheckCompatible(const MapSpec& wanted, const MapInfo& existing) {
  if (wanted.type != existing.type) {
    return Differs(wanted, existing, "type", MapTypeName(wanted.type), MapTypeName(existing.type));
  }
  const std::uint32_t kept_flags = ~MeaninglessFlags(wanted);
  struct Field {
    const char* name;
    const char* format;
    std::uint64_t expected;
    std::uint64_t got;
  };
  const Field fields[] = {
      {"key_size", "{}", wanted.key_size, existing.key_size},
      {"value_size", "{}", wanted.value_size, existing.value_size},
      {"max_entries", "{}", wanted.max_entries, existing.max_entries},
      {"flags", "{:#x}", wanted.flags & kept_flags, existing.flags & kept_flags},
      {"map_extra", "{:#x}", wanted.map_extra, existing.map_extra},
  };
  for (const Field& field : fields) {
    if (field.expected == field.got) continue;
    return Differs(wanted, existing, field.name, fmt::format(fmt::runtime(field.format), field.expected),
                   fmt::format(fmt::runtime(field.format), field.got));
  }
  return {};
}

}  // namespace strata
