#include "struct_ops.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "strata/base/byte_reader.h"

namespace strata::elf {
namespace {

constexpr std::uint32_t kRelocateAbsolute64 = 2;  // R_BPF_64_ABS64

Error Malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

class StructOpsReader {
 public:
  StructOpsReader(const ObjectContext& context, const ElfSection& section, const CodeTable& code, CollectionSpec& spec)
      : context_(context), section_(section), code_(code), spec_(spec), types_(*context.types) {}

  Result<void> Read() {
    bytes_ = STRATA_TRY(context_.file.Contents(section_));
    const auto datasec = context_.DataSectionOf(section_.name);
    if (!datasec) return Malformed("has no types in .BTF");
    const auto section = STRATA_TRY(types_.Get<btf::DataSec>(*datasec));
    for (const btf::SectionVariable variable : section.variables) {
      STRATA_TRY(ReadVariable(variable).Context(fmt::format("symbol {}", types_.NameOf(variable.type))));
    }
    for (const ElfRelocation& relocation : STRATA_TRY(context_.RelocationsOf(section_))) {
      STRATA_TRY(ReadSlot(relocation).Context(fmt::format("offset {}", relocation.offset)));
    }
    for (const Placed& variable : variables_) {
      std::ranges::sort(variable.map->slots, {}, &MapSlotInit::key);
    }
    return {};
  }

 private:
  struct Placed {
    std::uint64_t start;  // bytes in the section
    std::uint64_t end;
    MapSpec* map;
  };

  Result<void> ReadVariable(const btf::SectionVariable& variable) {
    const auto var = STRATA_TRY(types_.Get<btf::Var>(variable.type));
    const btf::TypeId type = STRATA_TRY(types_.Resolve(var.type));
    const auto table = types_.Get<btf::Struct>(type);
    if (!table || table->name.empty()) return Malformed("its type is no struct with a name");
    const std::uint64_t start = variable.offset_bytes;
    if (start > bytes_.size() || table->size_bytes > bytes_.size() - start) {
      return Malformed(
          fmt::format("[{}, +{}) is outside of the section's {} bytes", start, table->size_bytes, bytes_.size()));
    }
    // BTF lists a section's variables by offset.
    if (!variables_.empty() && start < variables_.back().end) return Malformed("overlaps another one");
    const auto contents = bytes_.subspan(start, table->size_bytes);
    MapSpec map;
    map.name = var.name;
    map.type = MapType::kStructOps;
    map.key_size = sizeof(std::uint32_t);
    map.value_size = table->size_bytes;
    map.max_entries = 1;
    map.value_type = type;
    map.contents.assign(contents.begin(), contents.end());
    map.autocreate = !section_.name.starts_with('?');
    map.is_linkable = section_.name.ends_with(".link");
    const auto [place, is_new] = spec_.maps.emplace(var.name, std::move(map));
    if (!is_new) return Malformed("is defined twice");
    variables_.push_back(Placed{start, start + table->size_bytes, &place->second});
    return {};
  }

  Result<void> ReadSlot(const ElfRelocation& relocation) {
    const auto behind = std::ranges::upper_bound(variables_, relocation.offset, {}, &Placed::start);
    const bool is_inside = behind != variables_.begin() && relocation.offset < std::prev(behind)->end &&
                           std::prev(behind)->end - relocation.offset >= sizeof(std::uint64_t);
    if (!is_inside || relocation.type != kRelocateAbsolute64) return Malformed("a relocation of what is no pointer");
    const Placed& variable = *std::prev(behind);
    const ElfSymbol symbol = context_.symbols[relocation.symbol];
    const std::uint64_t target = symbol.value + STRATA_TRY(AddendOf(relocation));
    const CodeFunction* function = code_.At(symbol.section, target);
    if (function == nullptr) {
      return Malformed(fmt::format("symbol {}: refers to {}, which is no function", variable.map->name, symbol.name));
    }
    const auto offset = static_cast<std::uint32_t>(relocation.offset - variable.start);
    std::fill_n(variable.map->contents.begin() + offset, sizeof(std::uint64_t), std::byte{0});
    variable.map->slots.push_back(MapSlotInit{offset, *function->key});
    return {};
  }

  Result<std::uint64_t> AddendOf(const ElfRelocation& relocation) const {
    if (relocation.has_addend) return static_cast<std::uint64_t>(relocation.addend);
    ByteReader place(bytes_.subspan(relocation.offset), std::string(), context_.file.byte_order());
    return place.Read<std::uint64_t>("addend");
  }

  const ObjectContext& context_;
  const ElfSection& section_;
  const CodeTable& code_;
  CollectionSpec& spec_;
  const btf::Btf& types_;
  std::span<const std::byte> bytes_;
  std::vector<Placed> variables_;  // by start
};

}  // namespace

Result<void> ReadStructOps(const ObjectContext& context, const ElfSection& section, const CodeTable& code,
                           CollectionSpec& spec) {
  if (context.types == nullptr) {
    return Malformed(
        fmt::format("{}: its variables have no types: there is no .BTF (compile with -g)", context.Place(section)));
  }
  return StructOpsReader(context, section, code, spec).Read().Context(context.Place(section));
}

}  // namespace strata::elf
