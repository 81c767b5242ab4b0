#include "linker_input.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "object_context.h"

namespace strata::elf {
namespace {

constexpr std::uint32_t kLlvmAddressSignificance = 0x6fff4c03;  // SHT_LLVM_ADDRSIG

constexpr std::uint32_t kTableTypes[] = {SHT_NULL, SHT_SYMTAB, SHT_STRTAB,       SHT_REL,
                                         SHT_RELA, SHT_GROUP,  SHT_SYMTAB_SHNDX, kLlvmAddressSignificance};

Result<void> CheckNames(const ElfFile& file) {
  for (const ElfSection section : file.sections()) {
    if (!section.name.empty() || !IsCopiedByLinker(section)) continue;
    return Error(ErrorCode::kMalformed,
                 fmt::format("{}: section number {}: has no name, and sections are joined by their names", file.where(),
                             section.index));
  }
  return {};
}

Result<void> ReadSymbols(LinkObject& object) {
  const auto table = object.file.FindSectionOfType(SHT_SYMTAB);
  if (!table) return Error(ErrorCode::kMalformed, fmt::format("{}: has no symbol table", object.name));
  object.symbol_table = table->index;
  object.symbols = STRATA_TRY(object.file.Symbols(*table));
  for (const ElfSymbol symbol : object.symbols) {
    if (symbol.type != STT_SECTION || symbol.value == 0) continue;
    return Error(ErrorCode::kMalformed, fmt::format("{}: the symbol of section number {} has the value {}, not 0",
                                                    object.Place(*table), symbol.section, symbol.value));
  }
  return {};
}

Result<void> ReadTypes(LinkObject& object) {
  const auto section = object.file.FindSection(".BTF");
  if (!section || section->type != SHT_PROGBITS) return {};
  const auto bytes = STRATA_TRY(object.file.Contents(*section));
  object.types = STRATA_TRY(btf::Btf::Parse(std::vector(bytes.begin(), bytes.end()), object.Place(*section)));
  if (object.types->byte_order() != object.file.byte_order()) {
    return Error(ErrorCode::kMalformed, fmt::format("{}: its byte order is not the file's", object.Place(*section)));
  }
  const auto ext = object.file.FindSection(".BTF.ext");
  if (!ext || ext->type != SHT_PROGBITS) return {};
  object.ext_info =
      STRATA_TRY(btf::ReadExtInfo(STRATA_TRY(object.file.Contents(*ext)), *object.types, object.Place(*ext)));
  return {};
}

btf::Linkage LinkageOf(const btf::Type& type) {
  if (const auto* function = std::get_if<btf::Func>(&type)) return function->linkage;
  if (const auto* variable = std::get_if<btf::Var>(&type)) return variable->linkage;
  return btf::Linkage::kStatic;
}

Result<void> IndexGlobals(LinkObject& object) {
  if (object.types == nullptr) return {};
  for (std::uint32_t id = 1; id < object.types->type_count(); ++id) {
    const btf::Type type = STRATA_TRY(object.types->TypeById(btf::TypeId{id}));
    if (const auto* section = std::get_if<btf::DataSec>(&type)) {
      for (const btf::SectionVariable variable : section->variables) {
        object.listed_in.emplace(object.types->NameOf(variable.type), section->name);
      }
    }
    if (LinkageOf(type) != btf::Linkage::kStatic) {
      object.global_types.emplace(object.types->NameOf(btf::TypeId{id}), btf::TypeId{id});
    }
  }
  return {};
}

}  // namespace

bool IsCopiedByLinker(const ElfSection& section) {
  if (std::find(std::begin(kTableTypes), std::end(kTableTypes), section.type) != std::end(kTableTypes)) return false;
  if (section.name == ".BTF" || section.name == ".BTF.ext") return false;
  // Clang gives an object without functions an empty .text.
  if (section.size_bytes == 0) return false;
  if ((section.flags & SHF_EXECINSTR) != 0) return true;
  return section.name != ".eh_frame" && !section.name.starts_with(".debug_");
}

Result<LinkObject> OpenLinkObject(const LinkInput& input) {
  LinkObject object {
    .name = input.name, .file = STRATA_TRY(ElfFile::FromMemory(input.bytes, input.name))
    , .symbol_table = 0, .symbols = {}, .types = {}, .ext_info = {}, .global_types = {}, .listed_in = {}
  };
  STRATA_TRY(CheckIsBpfObject(object.file));
  STRATA_TRY(CheckNames(object.file));
  STRATA_TRY(ReadSymbols(object));
  STRATA_TRY(ReadTypes(object));
  STRATA_TRY(IndexGlobals(object));
  return object;
}

}  // namespace strata::elf
