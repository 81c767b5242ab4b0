#include "load_selection.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/spec/map_rules.h"

namespace strata {
namespace {

template <typename Container>
Error NoSuch(std::string_view kind, std::string_view name, const Container& existing) {
  std::vector<std::string_view> names;
  for (const auto& [key, unused] : existing) names.push_back(key);
  return Error(ErrorCode::kNotFound, fmt::format("LoadOptions: no {} named {} (there is: {})", kind, name,
                                                 names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

class Selector {
 public:
  Selector(const CollectionSpec& spec, const LoadOptions& options) : spec_(spec), options_(options) {}

  Result<LoadSelection> Run() {
    STRATA_TRY(CheckNames());
    for (const std::string& name : options_.maps_to_keep) AddMap(name);
    for (auto program = spec_.programs.begin(); program != spec_.programs.end(); ++program) {
      if (IsNamed(program->first, program->second)) AddProgram(program);
    }
    FollowReferences();
    if (options_.unused_maps == UnusedMaps::kCreate) {
      for (const auto& [name, map] : spec_.maps) selection_.maps.insert(name);
    }
    DropUnwantedMaps();
    return std::move(selection_);
  }

 private:
  Result<void> CheckNames() const {
    for (const std::string& name : options_.programs) {
      if (!spec_.programs.contains(name)) return NoSuch("program", name, spec_.programs);
    }
    for (const std::string& name : options_.maps_to_keep) {
      if (!spec_.maps.contains(name)) return NoSuch("map", name, spec_.maps);
    }
    for (const auto& [name, map] : options_.maps) {
      if (!spec_.maps.contains(name)) return NoSuch("map", name, spec_.maps);
    }
    return {};
  }

  bool IsNamed(const std::string& name, const ProgramSpec& program) const {
    if (options_.programs.empty()) return program.autoload;
    return std::find(options_.programs.begin(), options_.programs.end(), name) != options_.programs.end();
  }

  void AddProgram(const std::string& name) {
    if (const auto program = spec_.programs.find(name); program != spec_.programs.end()) AddProgram(program);
  }

  // Mostly called in the order of the names: each is the last one then.
  void AddProgram(decltype(CollectionSpec::programs)::const_iterator program) {
    const std::size_t count = selection_.programs.size();
    selection_.programs.insert(selection_.programs.end(), program->first);
    if (selection_.programs.size() == count) return;
    AddCode(program->second);
    if (program->second.type_of_program == ProgramType::kStructOps) AddStructOpsMapsOf(program->first);
  }

  void AddCode(const FunctionSpec& function) {
    if (seen_.insert(&function).second) pending_.push_back(&function);
  }

  // A struct_ops program is of use only behind a pointer in a map, which refers to it, not the other way round.
  void AddStructOpsMapsOf(const std::string& program) {
    for (const auto& [name, map] : spec_.maps) {
      const bool holds_it = std::any_of(map.slots.begin(), map.slots.end(),
                                        [&](const MapSlotInit& slot) { return slot.symbol == program; });
      if (map.type == MapType::kStructOps && map.autocreate && holds_it) AddMap(name);
    }
  }

  void AddMap(std::string_view name) {
    const auto map = spec_.maps.find(name);
    if (map == spec_.maps.end() || !selection_.maps.insert(map->first).second) return;
    const bool holds_programs = map->second.type == MapType::kProgArray || map->second.type == MapType::kStructOps;
    for (const MapSlotInit& slot : map->second.slots) {
      if (HasTrait(map->second.type, map_traits::kHoldsMaps)) AddMap(slot.symbol);
      if (holds_programs && !options_.programs.empty()) AddProgram(slot.symbol);
    }
  }

  void FollowReferences() {
    while (!pending_.empty()) {
      const FunctionSpec& function = *pending_.back();
      pending_.pop_back();
      for (const Reference& reference : function.references) {
        // Thousands of references share a few names.
        const bool is_new = followed_.emplace(reference.kind, reference.symbol.view().data()).second;
        if (is_new) Follow(reference);
      }
    }
  }

  void Follow(const Reference& reference) {
    if (reference.kind == ReferenceKind::kMap || reference.kind == ReferenceKind::kMapValue) AddMap(reference.symbol);
    if (reference.kind != ReferenceKind::kFunctionCall && reference.kind != ReferenceKind::kFunctionAddress) return;
    if (const auto callee = spec_.functions.find(reference.symbol); callee != spec_.functions.end()) {
      AddCode(callee->second);
    } else if (const auto program = spec_.programs.find(reference.symbol); program != spec_.programs.end()) {
      AddCode(program->second);
    }
  }

  void DropUnwantedMaps() {
    const auto& kept = options_.maps_to_keep;
    std::erase_if(selection_.maps, [&](const std::string& name) {
      return !spec_.maps.at(name).autocreate && std::find(kept.begin(), kept.end(), name) == kept.end();
    });
  }

  const CollectionSpec& spec_;
  const LoadOptions& options_;
  LoadSelection selection_;
  std::set<const FunctionSpec*> seen_;
  std::set<std::pair<ReferenceKind, const char*>> followed_;
  std::vector<const FunctionSpec*> pending_;
};

}  // namespace

Result<LoadSelection> SelectObjects(const CollectionSpec& spec, const LoadOptions& options) {
  return Selector(spec, options).Run();
}

}  // namespace strata
