#include "legacy_maps.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "strata/base/byte_reader.h"

namespace strata::elf {
namespace {

// type, key_size, value_size, max_entries; map_flags came later.
constexpr std::uint64_t kSmallestDefinition = 16;

Error Malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

struct ElementTypes {
  btf::TypeId key;
  btf::TypeId value;
};

// BPF_ANNOTATE_KV_PAIR(m, K, V) declares "struct ____btf_map_m { K key; V value; }".
std::map<std::string_view, ElementTypes> AnnotatedTypes(const btf::Btf& types) {
  constexpr std::string_view kPrefix = "____btf_map_";
  std::map<std::string_view, ElementTypes> result;
  for (std::uint32_t id = 1; id < types.type_count(); ++id) {
    if (!types.NameOf(btf::TypeId{id}).starts_with(kPrefix)) continue;
    const auto pair = types.Get<btf::Struct>(btf::TypeId{id});
    if (!pair || pair->members.size() != 2) continue;
    result.emplace(pair->name.substr(kPrefix.size()), ElementTypes{pair->members[0].type, pair->members[1].type});
  }
  return result;
}

class LegacyMapsReader {
 public:
  LegacyMapsReader(const ObjectContext& context, const ElfSection& section, CollectionSpec& spec)
      : context_(context), section_(section), spec_(spec) {}

  Result<void> Read() {
    for (const std::uint32_t index : context_.SymbolsOf(section_.index)) {
      const ElfSymbol symbol = context_.symbols[index];
      if (symbol.type != STT_SECTION && !symbol.name.empty()) symbols_.push_back(symbol);
    }
    if (symbols_.empty()) return {};
    definition_size_ = section_.size_bytes / symbols_.size();
    if (section_.size_bytes % symbols_.size() != 0 || definition_size_ < kSmallestDefinition) {
      return Malformed(fmt::format("{} bytes for {} maps: no whole definitions of at least {} bytes",
                                   section_.size_bytes, symbols_.size(), kSmallestDefinition));
    }
    if (context_.types != nullptr) annotated_ = AnnotatedTypes(*context_.types);
    const ByteReader definitions(STRATA_TRY(context_.file.Contents(section_)), std::string(),
                                 context_.file.byte_order());
    for (const ElfSymbol& symbol : symbols_) {
      STRATA_TRY(ReadMap(symbol, definitions).Context(fmt::format("map {}", symbol.name)));
    }
    return {};
  }

 private:
  Result<void> ReadMap(const ElfSymbol& symbol, const ByteReader& definitions) {
    if (symbol.binding == STB_LOCAL) {
      return Error(ErrorCode::kNotSupported, "is static; a map is a global variable: remove \"static\"");
    }
    ByteReader reader = STRATA_TRY(definitions.Slice(symbol.value, definition_size_, "definition"));
    MapSpec map;
    map.name = symbol.name;
    map.type = static_cast<MapType>(STRATA_TRY(reader.Read<std::uint32_t>("type")));
    map.key_size = STRATA_TRY(reader.Read<std::uint32_t>("key_size"));
    map.value_size = STRATA_TRY(reader.Read<std::uint32_t>("value_size"));
    map.max_entries = STRATA_TRY(reader.Read<std::uint32_t>("max_entries"));
    if (reader.remaining() >= sizeof(std::uint32_t)) map.flags = STRATA_TRY(reader.Read<std::uint32_t>("map_flags"));
    const auto rest = STRATA_TRY(reader.ReadBytes(reader.remaining(), "rest"));
    const bool is_zero = std::ranges::all_of(rest, [](std::byte byte) { return byte == std::byte{0}; });
    if (!is_zero) map.extra.assign(rest.begin(), rest.end());
    AddElementTypes(map);
    if (!spec_.maps.emplace(symbol.name, std::move(map)).second) return Malformed("is defined twice");
    return {};
  }

  // Only types of the sizes given describe the elements.
  void AddElementTypes(MapSpec& map) const {
    const auto types = annotated_.find(map.name);
    if (types == annotated_.end()) return;
    const auto key_size = context_.types->SizeOf(types->second.key);
    const auto value_size = context_.types->SizeOf(types->second.value);
    if (!key_size || !value_size || *key_size != map.key_size || *value_size != map.value_size) return;
    map.key_type = types->second.key;
    map.value_type = types->second.value;
  }

  const ObjectContext& context_;
  const ElfSection& section_;
  CollectionSpec& spec_;
  std::vector<ElfSymbol> symbols_;
  std::uint64_t definition_size_ = 0;
  std::map<std::string_view, ElementTypes> annotated_;
};

}  // namespace

Result<void> ReadLegacyMaps(const ObjectContext& context, const ElfSection& section, CollectionSpec& spec) {
  return LegacyMapsReader(context, section, spec).Read().Context(context.Place(section));
}

}  // namespace strata::elf
