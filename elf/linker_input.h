// An object as the linker looks at it: nothing is interpreted yet.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "elf_file.h"
#include "strata/btf/btf.h"
#include "strata/btf/ext_reader.h"
#include "strata/elf/linker.h"

namespace strata::elf {

struct LinkObject {
  std::string name;
  ElfFile file;
  std::uint32_t symbol_table = 0;  // section number
  SymbolTable symbols;
  std::shared_ptr<const btf::Btf> types;  // as compiled; null without .BTF
  btf::ExtInfo ext_info;
  // FUNC and VAR that are not static, by name. Views into `types`.
  std::unordered_map<std::string_view, btf::TypeId> global_types;
  // The data section in BTF that lists a global variable or function.
  std::unordered_map<std::string_view, std::string_view> listed_in;

  // "a.bpf.o: section .maps"
  std::string Place(const ElfSection& section) const { return name + ": section " + std::string(section.name); }
};

Result<LinkObject> OpenLinkObject(const LinkInput& input);

// Not tables of ELF itself, types (which are merged as such), or debug information.
bool IsCopiedByLinker(const ElfSection& section);

}  // namespace strata::elf
