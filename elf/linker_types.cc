#include "linker_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "strata/btf/builder.h"
#include "strata/btf/dedup.h"
#include "strata/btf/ext_writer.h"

namespace strata::elf {
namespace {

using btf::Kind;
using btf::TypeId;

constexpr std::uint32_t kInstructionSize = 8;

class TypeLinker {
 public:
  TypeLinker(const LinkPlan& plan, std::endian byte_order)
      : plan_(plan), byte_order_(byte_order), ids_(plan.objects.size()) {}

  Result<LinkedTypes> Run() {
    STRATA_TRY(FindDropped());
    STRATA_TRY(CopyTypes());
    STRATA_TRY(MergeDeclarations());
    STRATA_TRY(WriteDataSections());
    STRATA_TRY(MergeExtInfo());
    return Deduplicate();
  }

 private:
  template <typename Each>
  Result<void> ForEachType(Each each) const {
    for (std::size_t object = 0; object < plan_.objects.size(); ++object) {
      const btf::Btf* types = plan_.objects[object].types.get();
      if (types == nullptr) continue;
      for (std::uint32_t id = 1; id < types->type_count(); ++id) STRATA_TRY(each(object, *types, TypeId{id}));
    }
    return {};
  }

  bool IsGlobal(std::size_t object, TypeId id) const {
    const LinkObject& input = plan_.objects[object];
    const auto found = input.global_types.find(input.types->NameOf(id));
    return found != input.global_types.end() && found->second == id;
  }

  // Another object's definition counts.
  bool IsSuperseded(std::size_t object, TypeId id) const {
    if (!IsGlobal(object, id)) return false;
    const auto owner = plan_.owners.find(plan_.objects[object].types->NameOf(id));
    return owner != plan_.owners.end() && owner->second != object;
  }

  // Data sections of ELF sections that were not copied, and their variables: "license", of which one is enough.
  Result<void> FindDropped() {
    return ForEachType([&](std::size_t object, const btf::Btf& types, TypeId id) -> Result<void> {
      if (types.KindOf(id) != Kind::kDataSec) return {};
      const auto section = plan_.objects[object].file.FindSection(types.NameOf(id));
      if (!section || plan_.PlacementOf(object, section)) return {};
      const auto dropped = STRATA_TRY(types.Get<btf::DataSec>(id));
      for (const btf::SectionVariable variable : dropped.variables) dropped_.emplace(object, variable.type);
      return {};
    });
  }

  // Everything but data sections, which are written anew, and what is superseded with the tags on it.
  Result<void> CopyTypes() {
    return ForEachType([&](std::size_t object, const btf::Btf& types, TypeId id) -> Result<void> {
      TypeId subject = id;
      if (types.KindOf(id) == Kind::kDeclTag) subject = STRATA_TRY(types.Get<btf::DeclTag>(id))
      .target;
      const bool is_left_out = types.KindOf(id) == Kind::kDataSec || IsSuperseded(object, subject);
      if (is_left_out || dropped_.contains({object, subject})) return {};
      STRATA_TRY(builder_.CopyTree(types, id, &ids_[object]));
      return {};
    });
  }

  // A name stands for one type in all objects. Tags on a declaration go to the definition.
  Result<void> MergeDeclarations() {
    STRATA_TRY(ForEachType([&](std::size_t object, const btf::Btf& types, TypeId id) -> Result<void> {
      if (!IsSuperseded(object, id) || dropped_.contains({object, id})) return {};
      const std::string_view name = types.NameOf(id);
      const std::size_t owner = plan_.owners.at(name);
      const auto definition = plan_.objects[owner].global_types.find(name);
      if (definition == plan_.objects[owner].global_types.end()) {  // an object without types defines it
        STRATA_TRY(builder_.CopyTree(types, id, &ids_[object]));
        return {};
      }
      ids_[object].Set(id, ids_[owner][definition->second]);
      return {};
    }));
    return ForEachType([&](std::size_t object, const btf::Btf& types, TypeId id) -> Result<void> {
      if (types.KindOf(id) != Kind::kDeclTag || ids_[object][id]) return {};
      if (dropped_.contains({
            object, STRATA_TRY(types.Get<btf::DeclTag>(id))
            .target
          }))
        return {};
      STRATA_TRY(builder_.CopyTree(types, id, &ids_[object]));
      return {};
    });
  }

  // Data sections by name, in the order in which they are met.
  struct DataSection {
    std::string_view name;
    std::vector<btf::SectionVariable> variables;
  };

  DataSection& DataSectionOf(std::string_view name) {
    const auto [entry, is_new] = data_section_of_.emplace(name, data_sections_.size());
    if (is_new) data_sections_.push_back({name, {}});
    return data_sections_[entry->second];
  }

  Result<void> WriteDataSections() {
    STRATA_TRY(ForEachType([&](std::size_t object, const btf::Btf& types, TypeId id) -> Result<void> {
      if (types.KindOf(id) != Kind::kDataSec) return {};
      return AddDataSection(object, STRATA_TRY(types.Get<btf::DataSec>(id)));
    }));
    for (DataSection& section : data_sections_) {
      std::stable_sort(section.variables.begin(), section.variables.end(),
                       [](const auto& a, const auto& b) { return a.offset_bytes < b.offset_bytes; });
      const auto size = plan_.section_sizes.find(section.name);
      STRATA_TRY(builder_.Add(
          btf::DataSec{section.name, size == plan_.section_sizes.end() ? 0 : static_cast<std::uint32_t>(size->second),
                       btf::RecordList<btf::SectionVariable>(section.variables)}));
    }
    return {};
  }

  Result<void> AddDataSection(std::size_t object, const btf::DataSec& section) {
    const LinkObject& input = plan_.objects[object];
    const auto offsets = SymbolOffsets(object, section);
    const auto placed = input.file.FindSection(section.name);
    const auto placement = plan_.PlacementOf(object, placed);
    if (placed && !placement) return {};  // its variables were dropped
    DataSection& merged = DataSectionOf(section.name);
    for (btf::SectionVariable variable : section.variables) {
      const std::string_view name = input.types->NameOf(variable.type);
      if (IsSuperseded(object, variable.type)) continue;
      if (const auto symbol = offsets.find(name); symbol != offsets.end()) {
        variable.offset_bytes = static_cast<std::uint32_t>(symbol->second);
      }
      if (placement) variable.offset_bytes += static_cast<std::uint32_t>(placement->offset);
      variable.type = ids_[object][variable.type];
      merged.variables.push_back(variable);
    }
    return {};
  }

  // Clang leaves the offsets of global variables to whoever knows the symbols; those of static ones, and all of an
  // object that was linked before, are right.
  std::unordered_map<std::string_view, std::uint64_t> SymbolOffsets(std::size_t object,
                                                                    const btf::DataSec& section) const {
    std::unordered_map<std::string_view, std::uint64_t> offsets;
    const LinkObject& input = plan_.objects[object];
    const auto placed = input.file.FindSection(section.name);
    if (!placed || section.size_bytes != 0) return offsets;
    for (const ElfSymbol symbol : input.symbols) {
      if (symbol.section == placed->index && input.global_types.contains(symbol.name)) {
        offsets.emplace(symbol.name, symbol.value);
      }
    }
    return offsets;
  }

  Result<void> MergeExtInfo() {
    for (std::size_t object = 0; object < plan_.objects.size(); ++object) {
      for (const auto& [name, section] : plan_.objects[object].ext_info) {
        const auto placement = plan_.PlacementOf(object, plan_.objects[object].file.FindSection(name));
        if (placement) STRATA_TRY(AddExtInfo(object, section, placement->offset, ext_info_[name]));
      }
    }
    return {};
  }

  Result<void> AddExtInfo(std::size_t object, const btf::SectionExtInfo& section, std::uint64_t offset,
                          btf::SectionExtInfo& merged) {
    const btf::Btf& types = *plan_.objects[object].types;
    const auto start = static_cast<std::uint32_t>(offset / kInstructionSize);
    for (btf::FuncInfo info : section.functions) {
      info.index.value += start;
      info.type = ids_[object][info.type];
      merged.functions.push_back(info);
    }
    for (btf::LineInfo info : section.lines) {
      info.index.value += start;
      info.file_name_offset = STRATA_TRY(builder_.CopyString(types, info.file_name_offset));
      info.line_offset = STRATA_TRY(builder_.CopyString(types, info.line_offset));
      merged.lines.push_back(info);
    }
    for (btf::CoreRelocation relocation : section.core_relocations) {
      relocation.index.value += start;
      relocation.type = ids_[object][relocation.type];
      merged.core_relocations.push_back(relocation);
    }
    return {};
  }

  Result<LinkedTypes> Deduplicate() {
    const bool has_types = std::any_of(plan_.objects.begin(), plan_.objects.end(),
                                       [](const auto& object) { return object.types != nullptr; });
    if (!has_types) return LinkedTypes{};
    const auto merged = STRATA_TRY(builder_.BuildTypes());
    btf::Deduplicated unique = STRATA_TRY(btf::Deduplicate(*merged));
    for (auto& [name, section] : ext_info_) {
      for (btf::FuncInfo& info : section.functions) info.type = unique.ids[info.type];
      for (btf::CoreRelocation& relocation : section.core_relocations) {
        relocation.type = unique.ids[relocation.type];
      }
      for (btf::LineInfo& info : section.lines) {
        info.file_name_offset = STRATA_TRY(unique.types.CopyString(*merged, info.file_name_offset));
        info.line_offset = STRATA_TRY(unique.types.CopyString(*merged, info.line_offset));
      }
    }
    LinkedTypes linked;
    if (!ext_info_.empty()) linked.ext_info = STRATA_TRY(btf::WriteExtInfo(ext_info_, &unique.types, byte_order_));
    linked.types = STRATA_TRY(unique.types.Build(byte_order_));
    return linked;
  }

  const LinkPlan& plan_;
  std::endian byte_order_;
  std::set<std::pair<std::size_t, TypeId>> dropped_;  // object and variable
  std::vector<btf::IdMap> ids_;                       // by object: where its types went in builder_
  btf::Builder builder_;
  std::vector<DataSection> data_sections_;
  std::unordered_map<std::string_view, std::size_t> data_section_of_;
  btf::ExtInfo ext_info_;
};

// Compares two types of two objects. Real declarations nest a few levels; hostile ones end at the limit.
class TypeComparison {
 public:
  TypeComparison(const btf::Btf& a, const btf::Btf& b) : a_(a), b_(b) {}

  bool AreEqual(TypeId a_type, TypeId b_type, int depth = 0) {
    if (depth > kMaxDepth || ++steps_ > kMaxSteps) return false;
    const auto a = a_.Resolve(a_type);
    const auto b = b_.Resolve(b_type);
    if (!a || !b) return false;
    const auto left = a_.TypeById(*a);
    const auto right = b_.TypeById(*b);
    if (!left || !right) return false;
    if (left->index() != right->index()) return IsForwardOf(*left, *right) || IsForwardOf(*right, *left);
    return std::visit(
        [&](const auto& type) { return Equal(type, std::get<std::decay_t<decltype(type)>>(*right), depth + 1); },
        *left);
  }

 private:
  static constexpr int kMaxDepth = 64;
  static constexpr int kMaxSteps = 100000;
  static constexpr int kDepthOfVariable = 2;  // a variable's own type

  static bool IsForwardOf(const btf::Type& forward, const btf::Type& other) {
    const auto* declared = std::get_if<btf::Forward>(&forward);
    if (declared == nullptr) return false;
    if (const auto* type = std::get_if<btf::Struct>(&other)) return !declared->is_union && type->name == declared->name;
    const auto* type = std::get_if<btf::Union>(&other);
    return type != nullptr && declared->is_union && type->name == declared->name;
  }

  template <typename Composite>
  bool EqualComposites(const Composite& a, const Composite& b, int depth) {
    if (a.name != b.name || a.size_bytes != b.size_bytes || a.members.size() != b.members.size()) return false;
    if (!a.name.empty()) return true;
    for (std::uint32_t i = 0; i < a.members.size(); ++i) {
      const btf::Member left = a.members[i];
      const btf::Member right = b.members[i];
      if (left.name != right.name || left.bit_offset != right.bit_offset || left.bitfield_bits != right.bitfield_bits ||
          !AreEqual(left.type, right.type, depth)) {
        return false;
      }
    }
    return true;
  }

  template <typename Enumeration>
  static bool EqualEnums(const Enumeration& a, const Enumeration& b) {
    return a.name == b.name && a.size_bytes == b.size_bytes && a.values.size() == b.values.size();
  }

  bool Equal(const btf::Void&, const btf::Void&, int) { return true; }
  bool Equal(const btf::Int& a, const btf::Int& b, int) {
    return a.name == b.name && a.size_bytes == b.size_bytes && a.is_signed == b.is_signed;
  }
  bool Equal(const btf::Pointer& a, const btf::Pointer& b, int depth) { return AreEqual(a.target, b.target, depth); }
  bool Equal(const btf::Array& a, const btf::Array& b, int depth) {
    // `extern int table[];` leaves the length to the definition.
    const bool is_variable = depth == kDepthOfVariable;
    const bool is_open = is_variable && (a.count == 0 || b.count == 0);
    return (a.count == b.count || is_open) && AreEqual(a.element, b.element, depth);
  }
  bool Equal(const btf::Struct& a, const btf::Struct& b, int depth) { return EqualComposites(a, b, depth); }
  bool Equal(const btf::Union& a, const btf::Union& b, int depth) { return EqualComposites(a, b, depth); }
  bool Equal(const btf::Enum& a, const btf::Enum& b, int) { return EqualEnums(a, b); }
  bool Equal(const btf::Enum64& a, const btf::Enum64& b, int) { return EqualEnums(a, b); }
  bool Equal(const btf::Forward& a, const btf::Forward& b, int) { return a.name == b.name && a.is_union == b.is_union; }
  bool Equal(const btf::Float& a, const btf::Float& b, int) { return a.size_bytes == b.size_bytes; }
  bool Equal(const btf::Func& a, const btf::Func& b, int depth) { return AreEqual(a.prototype, b.prototype, depth); }
  bool Equal(const btf::Var& a, const btf::Var& b, int depth) { return AreEqual(a.type, b.type, depth); }
  bool Equal(const btf::FuncProto& a, const btf::FuncProto& b, int depth) {
    if (a.parameters.size() != b.parameters.size() || !AreEqual(a.result, b.result, depth)) return false;
    for (std::uint32_t i = 0; i < a.parameters.size(); ++i) {
      if (!AreEqual(a.parameters[i].type, b.parameters[i].type, depth)) return false;
    }
    return true;
  }
  // Resolve() leaves none of the other kinds in a declaration.
  template <typename Other>
  bool Equal(const Other&, const Other&, int) {
    return false;
  }

  const btf::Btf& a_;
  const btf::Btf& b_;
  int steps_ = 0;
};

}  // namespace

Result<LinkedTypes> LinkTypes(const LinkPlan& plan, std::endian byte_order) {
  return TypeLinker(plan, byte_order).Run();
}

bool DeclaresTheSame(const btf::Btf& a, btf::TypeId a_type, const btf::Btf& b, btf::TypeId b_type) {
  return TypeComparison(a, b).AreEqual(a_type, b_type);
}

}  // namespace strata::elf
