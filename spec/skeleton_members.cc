#include "skeleton_members.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "skeleton_text.h"
#include "strata/btf/dump_cpp.h"
#include "strata/spec/type_names.h"

namespace strata {
namespace {

// A name that no other member of the same struct has.
std::string NewName(std::string_view wanted, std::set<std::string>& taken) {
  std::string name = btf::CppIdentifier(wanted);
  while (!taken.insert(name).second) name += '_';
  return name;
}

std::string RawBytes(std::size_t size) { return fmt::format("std::array<std::byte, {}>", size); }

// ".data.counters" -> "data_counters"; an arena has its variables under its map's name.
std::string AccessorOf(std::string_view section) {
  if (section.starts_with('.')) return btf::CppIdentifier(section.substr(1));
  return "globals_" + btf::CppIdentifier(section);
}

std::string PascalCase(std::string_view snake_case) {
  std::string name;
  bool starts_word = true;
  for (const char c : snake_case) {
    if (c != '_') name += starts_word && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    starts_word = c == '_';
  }
  return name;
}

// How a map's view is called, by the kind of map.
struct ViewRow {
  MapType type;
  std::string_view view;
  bool has_key;
};
constexpr ViewRow kViews[] = {
    {MapType::kHash, "HashMap", true},
    {MapType::kLruHash, "HashMap", true},
    {MapType::kPerCpuHash, "PerCpuHashMap", true},
    {MapType::kLruPerCpuHash, "PerCpuHashMap", true},
    {MapType::kArray, "Array", false},
    {MapType::kPerCpuArray, "PerCpuArray", false},
};

class Finder {
 public:
  Finder(const CollectionSpec& spec, const SkeletonOptions& options, std::string scope)
      : spec_(spec), options_(options), scope_(std::move(scope)) {}

  Result<SkeletonMembers> Find() && {
    AskForTypesOfMaps();
    AskForTypesOfVariables();
    STRATA_TRY(AskForOtherTypes());
    STRATA_TRY(DefineTypes());
    FindMaps();
    FindPrograms();
    FindVariables();
    return std::move(members_);
  }

 private:
  static bool IsMember(const MapSpec& map) { return !map.is_data_section; }

  void Ask(btf::TypeId type, std::string name) {
    if (type != btf::kVoid && spec_.types != nullptr) requests_.push_back({type, std::move(name)});
  }

  void AskForTypesOfMaps() {
    for (const auto& [name, map] : spec_.maps) {
      if (!IsMember(map)) continue;
      Ask(map.key_type, name + "_key");
      Ask(map.value_type, name + (map.type == MapType::kRingBuf ? "_record" : "_value"));
    }
  }

  void AskForTypesOfVariables() {
    for (const auto& [name, variable] : spec_.variables) Ask(variable.type, name + "_type");
  }

  Result<void> AskForOtherTypes() {
    for (const std::string& name : options_.types) {
      const auto found = spec_.types == nullptr ? std::vector<btf::TypeId>() : spec_.types->FindAll(name);
      const auto is_value = [&](btf::TypeId id) { return spec_.types->SizeOf(id).has_value(); };
      const auto type = std::find_if(found.begin(), found.end(), is_value);
      if (type == found.end()) return Error(ErrorCode::kNotFound, fmt::format("there is no type {}", name));
      Ask(*type, name);
    }
    return {};
  }

  Result<void> DefineTypes() {
    if (requests_.empty()) return {};
    btf::CppTypes types = STRATA_TRY(btf::DumpCpp(*spec_.types, requests_, scope_));
    for (std::size_t i = 0; i < requests_.size(); ++i) spellings_.emplace(requests_[i].type, types.spellings[i]);
    members_.types = std::move(types.definitions);
    return {};
  }

  // 0 where there is no such type.
  std::uint64_t SizeOf(btf::TypeId type) const {
    const auto size = spec_.types != nullptr ? spec_.types->SizeOf(type) : Result<std::uint64_t>(0U);
    return size ? *size : 0;
  }

  // Its name in C++; bytes where BTF does not know better.
  std::string Spelled(btf::TypeId type, std::size_t size) const {
    const auto found = spellings_.find(type);
    const bool is_known = found != spellings_.end() && !found->second.empty() && SizeOf(type) == size;
    return is_known ? found->second : RawBytes(size);
  }

  // A type that C++ and BTF see alike wherever it lies: aligned to its size, without padding.
  bool IsScalar(btf::TypeId type) const {
    using btf::Kind;
    if (spec_.types == nullptr) return false;
    const auto resolved = spec_.types->Resolve(type);
    const Kind kind = resolved ? spec_.types->KindOf(*resolved) : Kind::kUnknown;
    return kind == Kind::kInt || kind == Kind::kPointer || kind == Kind::kEnum || kind == Kind::kEnum64;
  }

  std::string Element(btf::TypeId type, std::size_t size) const {
    const std::string spelled = Spelled(type, size);
    return IsScalar(type) || spelled == RawBytes(size) ? spelled : fmt::format("strata::ElementOf<{}>", spelled);
  }

  void FindMaps() {
    std::set<std::string> taken;
    for (const auto& [key, map] : spec_.maps) {
      if (!IsMember(map)) continue;
      std::string comment = MapTypeName(map.type);
      if (map.max_entries != 0) comment += fmt::format(", max_entries {}", map.max_entries);
      members_.maps.push_back({LiteralText(key), NewName(key, taken), map.autocreate ? ViewOf(map) : "", comment});
    }
  }

  std::string ViewOf(const MapSpec& map) const {
    if (map.type == MapType::kRingBuf) {
      const auto found = spellings_.find(map.value_type);
      const bool is_typed = SizeOf(map.value_type) > 0 && found != spellings_.end() && !found->second.empty();
      return is_typed ? fmt::format("strata::RingBuffer<{}>", found->second) : "";
    }
    for (const ViewRow& row : kViews) {
      if (row.type != map.type || map.value_size == 0 || map.key_size == 0) continue;
      const std::string value = Element(map.value_type, map.value_size);
      if (!row.has_key) return fmt::format("strata::{}<{}>", row.view, value);
      return fmt::format("strata::{}<{}, {}>", row.view, Element(map.key_type, map.key_size), value);
    }
    return {};
  }

  void FindPrograms() {
    std::set<std::string> taken;
    for (const auto& [key, program] : spec_.programs) {
      members_.programs.push_back(
          {LiteralText(key), NewName(key, taken), fmt::format("SEC(\"{}\")", CommentText(program.section_name))});
    }
  }

  void FindVariables() {
    std::map<std::string, std::vector<const VariableSpec*>> sections;
    std::map<const VariableSpec*, std::string> keys;
    for (const auto& [key, variable] : spec_.variables) {
      if (variable.value.empty()) continue;
      sections[variable.map_name].push_back(&variable);
      keys.emplace(&variable, key);
    }
    std::set<std::string> accessors;
    for (auto& [section, variables] : sections) {
      std::stable_sort(variables.begin(), variables.end(),
                       [](const auto* a, const auto* b) { return a->offset_bytes < b->offset_bytes; });
      const std::string accessor = NewName(AccessorOf(section), accessors);
      SkeletonSection& added =
          members_.sections.emplace_back(SkeletonSection{CommentText(section), PascalCase(accessor), accessor, {}});
      std::set<std::string> taken;
      for (const VariableSpec* variable : variables) {
        const std::string& key = keys.at(variable);
        added.variables.push_back({LiteralText(key), NewName(key, taken), VariableType(*variable),
                                   DescribeType(*variable), variable->offset_bytes, variable->value.size(),
                                   variable->is_constant});
      }
    }
  }

  std::string VariableType(const VariableSpec& variable) const {
    const std::size_t size = variable.value.size();
    std::string spelled = Spelled(variable.type, size);
    if (spelled == RawBytes(size)) return spelled;
    const bool is_aligned =
        IsScalar(variable.type) && size <= sizeof(std::uint64_t) && variable.offset_bytes % size == 0;
    return is_aligned ? spelled : fmt::format("strata::VariableAt<{}, {}>", spelled, variable.offset_bytes);
  }

  std::string DescribeType(const VariableSpec& variable) const {
    return spec_.types != nullptr && variable.type != btf::kVoid ? CommentText(spec_.types->Describe(variable.type))
                                                                 : "";
  }

  const CollectionSpec& spec_;
  const SkeletonOptions& options_;
  std::string scope_;
  std::vector<btf::CppRequest> requests_;
  std::map<btf::TypeId, std::string> spellings_;
  SkeletonMembers members_;
};

}  // namespace

Result<SkeletonMembers> FindSkeletonMembers(const CollectionSpec& spec, const SkeletonOptions& options,
                                            const std::string& types_scope) {
  return Finder(spec, options, types_scope).Find();
}

}  // namespace strata
