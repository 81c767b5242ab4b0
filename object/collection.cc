#include "strata/object/collection.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace strata {
namespace {

template <typename Container>
Error NoSuch(std::string_view kind, std::string_view name, const CollectionSpec& spec, const Container& existing) {
  std::vector<std::string_view> names;
  names.reserve(existing.size());
  for (const auto& [key, unused] : existing) names.push_back(key);
  return Error(ErrorCode::kNotFound, fmt::format("{}: no {} named {} (there is: {})", spec.name, kind, name,
                                                 names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

}  // namespace

Result<Map*> Collection::FindMap(std::string_view name) {
  const auto found = maps_.find(name);
  if (found == maps_.end()) return NoSuch("map", name, spec_, maps_);
  return &found->second;
}

Result<Program*> Collection::FindProgram(std::string_view name) {
  const auto found = programs_.find(name);
  if (found == programs_.end()) return NoSuch("program", name, spec_, programs_);
  return &found->second;
}

Result<Variable> Collection::FindVariable(std::string_view name) {
  const auto found = spec_.variables.find(name);
  if (found == spec_.variables.end()) return NoSuch("variable", name, spec_, spec_.variables);
  const VariableSpec& variable = found->second;
  auto& memory = memories_[variable.map_name];
  if (memory == nullptr) {
    Map* map = STRATA_TRY(FindMap(variable.map_name));
    memory = STRATA_TRY(map->backend_map()->Memory());
  }
  if (variable.offset_bytes > memory->bytes().size() ||
      variable.value.size() > memory->bytes().size() - variable.offset_bytes) {
    return Error(ErrorCode::kMalformed, fmt::format("variable {}: lies outside of {}", name, variable.map_name));
  }
  return Variable(memory, variable);
}

Result<StructOpsRegistration> Collection::RegisterStructOps(std::string_view name) {
  Map* map = STRATA_TRY(FindMap(name));
  const auto value = struct_ops_.find(name);
  if (value == struct_ops_.end() || map->spec().is_linkable) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: map {}: {}", spec_.name, name,
                             value == struct_ops_.end() ? "is no struct_ops map" : "is registered by a link"));
  }
  return StructOpsRegistration::Make(backend_, map->backend_map(), value->second.contents, value->second.programs)
      .Context(spec_.name);
}

}  // namespace strata
