#include "program_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "strata/spec/type_names.h"

namespace strata::tools {

std::string TagText(const ProgramInfo& program) {
  std::string text;
  for (const std::uint8_t byte : program.tag) text += fmt::format("{:02x}", byte);
  return text;
}

nlohmann::ordered_json ProgramJson(const ProgramInfo& program) {
  return {{"type", "program"},
          {"id", program.id},
          {"name", program.name},
          {"program_type", ProgramTypeName(program.type)},
          {"tag", TagText(program)},
          {"instructions", program.instruction_count},
          {"verified", program.is_verified},
          {"enabled", program.is_enabled}};
}

nlohmann::ordered_json MapJson(const MapInfo& map) {
  return {{"type", "map"},
          {"id", map.id},
          {"name", map.name},
          {"map_type", MapTypeName(map.type)},
          {"key_size", map.key_size},
          {"value_size", map.value_size},
          {"max_entries", map.max_entries}};
}

}  // namespace strata::tools
