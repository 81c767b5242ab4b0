#include "elf_section.h"

#include <elf.h>

#include <cstring>
#include <stdexcept>

#include "elf_writer.h"

namespace strata::test {
namespace {

template <typename T>
T At(const std::vector<std::byte>& file, std::size_t offset) {
  if (offset > file.size() || sizeof(T) > file.size() - offset) throw std::runtime_error("ELF file ends early");
  T value;
  std::memcpy(&value, file.data() + offset, sizeof(value));
  return value;
}

}  // namespace

std::vector<std::byte> ElfSection(const std::string& path, const std::string& name) {
  const auto file = ReadFile(path);
  const auto header = At<Elf64_Ehdr>(file, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) throw std::runtime_error(path + ": no ELF file");
  const auto section = [&](std::size_t i) { return At<Elf64_Shdr>(file, header.e_shoff + i * sizeof(Elf64_Shdr)); };
  const auto names = section(header.e_shstrndx);
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    const auto candidate = section(i);
    const std::string_view text(reinterpret_cast<const char*>(file.data()) + names.sh_offset + candidate.sh_name);
    if (text != name) continue;
    const auto begin = file.begin() + static_cast<std::ptrdiff_t>(candidate.sh_offset);
    return {begin, begin + static_cast<std::ptrdiff_t>(candidate.sh_size)};
  }
  return {};
}

}  // namespace strata::test
