#include "map_definitions.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

namespace strata::elf {
namespace {

using btf::Btf;
using btf::TypeId;

constexpr std::uint32_t kPointerSize = 8;
constexpr std::uint32_t kRelocateAbsolute64 = 2;  // R_BPF_64_ABS64

bool IsMapOfMaps(MapType type) { return type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps; }

Error Malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

using Tags = std::multimap<TypeId, std::string>;

Tags CollectTags(const Btf& types) {
  Tags tags;
  for (std::uint32_t id = 1; id < types.type_count(); ++id) {
    if (types.KindOf(TypeId{id}) != btf::Kind::kDeclTag) continue;
    const auto tag = types.Get<btf::DeclTag>(TypeId{id});
    if (tag && tag->component == -1) tags.emplace(tag->target, tag->tag);
  }
  return tags;
}

// The struct that a map's variable has as type: "struct { __uint(type, ...); __type(key, u32); ... }". What the macros
// write is in the members' types:
// __uint(n, 3) is "int (*n)[3]", __type(n, T) is "T *n", __array(n, T) is "T *n[]", __ulong(n, 3) an enum with that one
// value.
class MapDefinition {
 public:
  enum class Level : std::uint8_t { kOuter, kInner };

  MapDefinition(const Btf& types, Level level, Strictness strictness)
      : types_(types), level_(level), strictness_(strictness) {}

  Result<MapSpec> Read(std::string name, TypeId type) {
    map_.name = std::move(name);
    const auto definition = STRATA_TRY(As<btf::Struct>(type, "is no struct"));
    for (std::uint32_t i = 0; i < definition.members.size(); ++i) {
      const btf::Member member = definition.members[i];
      const bool is_last = i + 1 == definition.members.size();
      STRATA_TRY(ReadField(member, is_last).Context(fmt::format("field {}", member.name)));
    }
    if (map_.type == MapType::kUnspec) return Malformed("field type: is missing");
    DropUnusedSizes();
    return std::move(map_);
  }

  // In bytes from the struct's start; nothing when the map has no slots.
  std::optional<std::uint32_t> slots_offset() const { return slots_offset_; }

 private:
  using Setter = Result<void> (MapDefinition::*)(std::uint64_t value);
  struct NumberField {
    std::string_view name;
    Setter set;
  };

  template <typename Kind>
  Result<Kind> As(TypeId type, std::string_view otherwise) const {
    const auto resolved = types_.TypeById(STRATA_TRY(types_.Resolve(type)));
    const Kind* kind = resolved ? std::get_if<Kind>(&*resolved) : nullptr;
    if (kind == nullptr) return Malformed(std::string(otherwise));
    return *kind;
  }

  Result<void> ReadField(const btf::Member& member, bool is_last) {
    static constexpr NumberField kNumberFields[] = {
        {"type", &MapDefinition::SetType},
        {"max_entries", &MapDefinition::SetMaxEntries},
        {"map_flags", &MapDefinition::SetFlags},
        {"key_size", &MapDefinition::SetKeySize},
        {"value_size", &MapDefinition::SetValueSize},
        {"numa_node", &MapDefinition::SetNumaNode},
        {"map_extra", &MapDefinition::SetExtra},
        {"pinning", &MapDefinition::SetPinning},
    };
    for (const NumberField& field : kNumberFields) {
      if (field.name == member.name) return (this->*field.set)(STRATA_TRY(ReadNumber(member.type)));
    }
    if (member.name == "key") return ReadElementType(member.type, map_.key_type, map_.key_size);
    if (member.name == "value") return ReadElementType(member.type, map_.value_type, map_.value_size);
    if (member.name == "values") return is_last ? ReadSlotType(member) : Malformed("must be the last one");
    if (strictness_ == Strictness::kRelaxed) return {};
    return Malformed("is not known");
  }

  // Such a map has no elements of its own, and the kernel refuses their sizes. A value's type stays: it says what the
  // records are.
  void DropUnusedSizes() {
    const bool is_ring = map_.type == MapType::kRingBuf || map_.type == MapType::kUserRingBuf;
    if (!is_ring && map_.type != MapType::kPerfEventArray) return;
    map_.key_size = map_.value_size = is_ring ? 0 : sizeof(std::uint32_t);
  }

  Result<std::uint64_t> ReadNumber(TypeId type) const {
    const auto resolved = STRATA_TRY(types_.TypeById(STRATA_TRY(types_.Resolve(type))));
    if (const auto* pointer = std::get_if<btf::Pointer>(&resolved)) {
      return STRATA_TRY(As<btf::Array>(pointer->target, "is not written with __uint"))
      .count;
    }
    const auto only_value = [](const auto& values) -> Result<std::uint64_t> {
      if (values.size() != 1) return Malformed("its enum has not exactly one value");
      return static_cast<std::uint64_t>(values[0].value);
    };
    if (const auto* number = std::get_if<btf::Enum>(&resolved)) return only_value(number->values);
    if (const auto* number = std::get_if<btf::Enum64>(&resolved)) return only_value(number->values);
    return Malformed("is written neither with __uint nor with __ulong");
  }

  static Result<std::uint32_t> Narrow(std::uint64_t value) {
    if (value > UINT32_MAX) return Malformed(fmt::format("{} is too large", value));
    return static_cast<std::uint32_t>(value);
  }

  Result<void> SetType(std::uint64_t value) {
    map_.type = static_cast<MapType>(STRATA_TRY(Narrow(value)));
    return {};
  }
  Result<void> SetMaxEntries(std::uint64_t value) {
    map_.max_entries = STRATA_TRY(Narrow(value));
    return {};
  }
  Result<void> SetFlags(std::uint64_t value) {
    map_.flags = STRATA_TRY(Narrow(value));
    return {};
  }
  Result<void> SetNumaNode(std::uint64_t value) {
    map_.numa_node = STRATA_TRY(Narrow(value));
    return {};
  }
  Result<void> SetExtra(std::uint64_t value) {
    map_.map_extra = value;
    return {};
  }
  Result<void> SetKeySize(std::uint64_t value) { return SetSize(value, map_.key_size); }
  Result<void> SetValueSize(std::uint64_t value) { return SetSize(value, map_.value_size); }

  Result<void> SetPinning(std::uint64_t value) {
    if (level_ == Level::kInner) return Malformed("an inner map cannot be pinned");
    if (value > static_cast<std::uint64_t>(PinType::kByName)) return Malformed(fmt::format("{} is not known", value));
    map_.pinning = static_cast<PinType>(value);
    return {};
  }

  // A size may be given twice, as a number and by a type, if both agree.
  static Result<void> SetSize(std::uint64_t value, std::uint32_t& size_bytes) {
    const std::uint32_t narrow = STRATA_TRY(Narrow(value));
    if (size_bytes != 0 && size_bytes != narrow) {
      return Malformed(fmt::format("{} bytes contradict the {} given before", narrow, size_bytes));
    }
    size_bytes = narrow;
    return {};
  }

  Result<void> ReadElementType(TypeId type, TypeId& element_type, std::uint32_t& size_bytes) const {
    const auto pointer = STRATA_TRY(As<btf::Pointer>(type, "is not written with __type"));
    element_type = pointer.target;
    return SetSize(STRATA_TRY(types_.SizeOf(pointer.target)), size_bytes);
  }

  // __array(values, struct inner_map) or __array(values, int ())
  Result<void> ReadSlotType(const btf::Member& member) {
    if (level_ == Level::kInner) return Malformed("an inner map cannot have slots");
    const auto array = STRATA_TRY(As<btf::Array>(member.type, "is not written with __array"));
    if (array.count != 0) return Malformed("is not written with __array");
    const auto pointer = STRATA_TRY(As<btf::Pointer>(array.element, "is not written with __array"));
    const TypeId target = STRATA_TRY(types_.Resolve(pointer.target));
    slots_offset_ = member.bit_offset / 8;
    STRATA_TRY(SetSize(sizeof(std::uint32_t), map_.value_size).Context("value_size"));
    if (IsMapOfMaps(map_.type)) {
      map_.inner.push_back(
          STRATA_TRY(MapDefinition(types_, Level::kInner, strictness_).Read(map_.name + ".inner", target)));
      return {};
    }
    if (map_.type == MapType::kProgArray && types_.KindOf(target) == btf::Kind::kFuncProto) {
      if (map_.key_size == 0) map_.key_size = sizeof(std::uint32_t);
      return {};
    }
    return Malformed(fmt::format("a map of type {} has no slots of this kind", static_cast<std::uint32_t>(map_.type)));
  }

  const Btf& types_;
  Level level_;
  Strictness strictness_;
  MapSpec map_;
  std::optional<std::uint32_t> slots_offset_;
};

// All maps of one object.
class MapSectionReader {
 public:
  MapSectionReader(const ObjectContext& context, const ElfSection& section, const CodeTable& code, CollectionSpec& spec)
      : context_(context),
        section_(section),
        code_(code),
        spec_(spec),
        types_(*context.types),
        tags_(CollectTags(types_)) {}

  Result<void> Read() {
    STRATA_TRY(CheckEmpty());
    IndexSymbols();
    const auto datasec = context_.DataSectionOf(section_.name);
    if (!datasec) return Malformed("has no types in .BTF");
    const auto section = STRATA_TRY(types_.Get<btf::DataSec>(*datasec));
    for (const btf::SectionVariable variable : section.variables) {
      STRATA_TRY(ReadMap(variable).Context(fmt::format("map {}", types_.NameOf(variable.type))));
    }
    STRATA_TRY(CheckSymbols());
    std::ranges::sort(slot_ranges_, {}, &SlotRange::start);
    for (const ElfRelocation& relocation : STRATA_TRY(context_.RelocationsOf(section_)))
      STRATA_TRY(ReadSlot(relocation));
    for (const SlotRange& range : slot_ranges_) std::ranges::sort(range.map->slots, {}, &MapSlotInit::key);
    return {};
  }

 private:
  // A map whose slots relocations fill.
  struct SlotRange {
    MapSpec* map;
    std::uint64_t start;  // bytes in the section
    std::uint64_t end;
  };

  // Definitions live in types; a byte that is not zero is an initial value of a kind that nobody reads.
  Result<void> CheckEmpty() const {
    const auto bytes = STRATA_TRY(context_.file.Contents(section_));
    const auto nonzero = std::find_if(bytes.begin(), bytes.end(), [](std::byte byte) { return byte != std::byte{0}; });
    if (nonzero == bytes.end()) return {};
    return Malformed(
        fmt::format("offset {}: holds data, and maps are defined by types alone", nonzero - bytes.begin()));
  }

  void IndexSymbols() {
    for (const std::uint32_t index : context_.SymbolsOf(section_.index)) {
      const ElfSymbol symbol = context_.symbols[index];
      if (!symbol.name.empty()) symbols_.emplace(symbol.name, symbol);
    }
  }

  Result<void> ReadMap(const btf::SectionVariable& variable) {
    const auto var = STRATA_TRY(types_.Get<btf::Var>(variable.type));
    const auto found = symbols_.find(var.name);
    if (found == symbols_.end()) {
      return Malformed(var.linkage == btf::Linkage::kExtern ? "is defined in another file; link both"
                                                            : "has no symbol");
    }
    const ElfSymbol* symbol = &found->second;
    if (symbol->binding == STB_LOCAL) {
      return Error(ErrorCode::kNotSupported, "is static; a map is a global variable: remove \"static\"");
    }
    if (symbol->value > section_.size_bytes || symbol->size_bytes > section_.size_bytes - symbol->value) {
      return Malformed(fmt::format("its symbol, [{}, +{}), is outside of the section's {} bytes", symbol->value,
                                   symbol->size_bytes, section_.size_bytes));
    }
    MapDefinition definition(types_, MapDefinition::Level::kOuter, context_.options.strictness);
    MapSpec map = STRATA_TRY(definition.Read(std::string(var.name), var.type));
    AppendTags(variable.type, map.tags);
    AppendTypeTags(map.value_type, map.tags);
    const auto [place, is_new] = spec_.maps.emplace(var.name, std::move(map));
    if (!is_new) return Malformed("is defined twice");
    if (const auto offset = definition.slots_offset(); offset && *offset <= symbol->size_bytes) {
      slot_ranges_.push_back(SlotRange{&place->second, symbol->value + *offset, symbol->value + symbol->size_bytes});
    }
    return {};
  }

  void AppendTags(TypeId target, std::vector<std::string>& tags) const {
    const auto [first, last] = tags_.equal_range(target);
    for (auto tag = first; tag != last; ++tag) tags.push_back(tag->second);
  }

  // Those of the type itself and of each name on the way to it.
  void AppendTypeTags(TypeId type, std::vector<std::string>& tags) const {
    TypeId current = type;
    for (std::uint32_t step = 0; current && step < types_.type_count(); ++step) {
      AppendTags(current, tags);
      const auto next = NextName(current);
      if (!next) return;
      current = *next;
    }
  }

  std::optional<TypeId> NextName(TypeId type) const {
    const auto value = types_.TypeById(type);
    if (!value) return std::nullopt;
    return std::visit(
        [](const auto& kind) -> std::optional<TypeId> {
          using Kind = std::decay_t<decltype(kind)>;
          constexpr bool is_name = std::is_same_v<Kind, btf::Typedef> || std::is_same_v<Kind, btf::Const> ||
                                   std::is_same_v<Kind, btf::Volatile> || std::is_same_v<Kind, btf::TypeTag>;
          if constexpr (is_name) return kind.target;
          return std::nullopt;
        },
        *value);
  }

  // Every variable of the section must have become a map.
  Result<void> CheckSymbols() const {
    for (const std::uint32_t index : context_.SymbolsOf(section_.index)) {
      const ElfSymbol symbol = context_.symbols[index];
      const bool is_variable = symbol.type == STT_OBJECT || (symbol.type == STT_NOTYPE && !symbol.name.empty());
      if (!is_variable) continue;
      if (!spec_.maps.contains(symbol.name)) return Malformed(fmt::format("map {}: has no type in .BTF", symbol.name));
    }
    return {};
  }

  Result<void> ReadSlot(const ElfRelocation& relocation) {
    const auto behind = std::ranges::upper_bound(slot_ranges_, relocation.offset, {}, &SlotRange::start);
    const auto range = behind == slot_ranges_.begin() ? slot_ranges_.end() : std::prev(behind);
    if (range == slot_ranges_.end() || relocation.offset >= range->end ||
        (relocation.offset - range->start) % kPointerSize != 0 || relocation.type != kRelocateAbsolute64) {
      return Malformed(fmt::format("offset {}: a relocation outside of any map's slots", relocation.offset));
    }
    const std::uint64_t key = (relocation.offset - range->start) / kPointerSize;
    std::string value =
        STRATA_TRY(SlotValue(relocation, *range->map).Context(fmt::format("map {}: slot {}", range->map->name, key)));
    range->map->slots.push_back(MapSlotInit{static_cast<std::uint32_t>(key), std::move(value)});
    return {};
  }

  Result<std::string> SlotValue(const ElfRelocation& relocation, const MapSpec& map) const {
    const ElfSymbol symbol = context_.symbols[relocation.symbol];
    if (IsMapOfMaps(map.type)) {
      if (symbol.section == section_.index && spec_.maps.contains(symbol.name)) return std::string(symbol.name);
      return Malformed(fmt::format("{} is no map", symbol.name));
    }
    const std::uint64_t target = symbol.value + static_cast<std::uint64_t>(relocation.addend);
    const CodeFunction* function = code_.At(symbol.section, target);
    const bool is_program = function != nullptr && !function->spec->is_static &&
                            context_.RoleOf(function->section) == SectionRole::kPrograms;
    if (!is_program) return Malformed(fmt::format("{} is no program", symbol.name));
    return *function->key;
  }

  const ObjectContext& context_;
  const ElfSection& section_;
  const CodeTable& code_;
  CollectionSpec& spec_;
  const Btf& types_;
  Tags tags_;
  std::unordered_map<std::string_view, ElfSymbol> symbols_;
  std::vector<SlotRange> slot_ranges_;  // by start
};

}  // namespace

Result<void> ReadMapDefinitions(const ObjectContext& context, const ElfSection& section, const CodeTable& code,
                                CollectionSpec& spec) {
  if (context.types == nullptr) return {};
  return MapSectionReader(context, section, code, spec).Read().Context(context.Place(section));
}

}  // namespace strata::elf
