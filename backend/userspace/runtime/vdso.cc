#include "vdso.h"

#include <elf.h>

#include "text.h"

namespace strata::runtime {
namespace {

// What the dynamic segment of the vDSO says.
struct DynamicTables {
  const Elf64_Sym* symbols = nullptr;
  const char* strings = nullptr;
  const std::uint32_t* hash = nullptr;      // DT_HASH: bucket count, chain count (which is the symbol count)
  const std::uint32_t* gnu_hash = nullptr;  // DT_GNU_HASH, all that newer kernels keep
};

DynamicTables ReadDynamic(const std::byte* base, std::uint64_t load_bias, std::uint64_t dynamic_address) {
  DynamicTables tables;
  for (auto* entry = reinterpret_cast<const Elf64_Dyn*>(load_bias + dynamic_address); entry->d_tag != DT_NULL;
       ++entry) {
    const std::uint64_t address = load_bias + entry->d_un.d_ptr;
    if (entry->d_tag == DT_SYMTAB) tables.symbols = reinterpret_cast<const Elf64_Sym*>(address);
    if (entry->d_tag == DT_STRTAB) tables.strings = reinterpret_cast<const char*>(address);
    if (entry->d_tag == DT_HASH) tables.hash = reinterpret_cast<const std::uint32_t*>(address);
    if (entry->d_tag == DT_GNU_HASH) tables.gnu_hash = reinterpret_cast<const std::uint32_t*>(address);
  }
  return tables;
}

// Symbols sorted into buckets: the last one is the end of the chain of the highest bucket.
std::uint32_t GnuSymbolCount(const std::uint32_t* table) {
  const std::uint32_t bucket_count = table[0];
  const std::uint32_t first_symbol = table[1];
  const std::uint32_t bloom_words = table[2];
  const std::uint32_t* buckets = table + 4 + std::size_t{2} * bloom_words;
  const std::uint32_t* chains = buckets + bucket_count;
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < bucket_count; ++i) last = buckets[i] > last ? buckets[i] : last;
  if (last < first_symbol) return first_symbol;
  while ((chains[last - first_symbol] & 1) == 0) ++last;
  return last + 1;
}

}  // namespace

VdsoClock FindVdsoClock(std::uint64_t address) noexcept {
  if (address == 0) return {};
  const auto* base = reinterpret_cast<const std::byte*>(address);
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(base);
  const auto* segments = reinterpret_cast<const Elf64_Phdr*>(base + header->e_phoff);
  std::uint64_t load_bias = 0;
  std::uint64_t dynamic_address = 0;
  for (int i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type == PT_LOAD) load_bias = address + segments[i].p_offset - segments[i].p_vaddr;
    if (segments[i].p_type == PT_DYNAMIC) dynamic_address = segments[i].p_vaddr;
  }
  if (dynamic_address == 0) return {};
  const DynamicTables tables = ReadDynamic(base, load_bias, dynamic_address);
  if (tables.symbols == nullptr || tables.strings == nullptr) return {};
  std::uint32_t count = 0;
  if (tables.hash != nullptr) count = tables.hash[1];
  if (tables.hash == nullptr && tables.gnu_hash != nullptr) count = GnuSymbolCount(tables.gnu_hash);
  for (std::uint32_t i = 0; i < count; ++i) {
    const Elf64_Sym& symbol = tables.symbols[i];
    if (symbol.st_shndx == SHN_UNDEF || !TextEqual(tables.strings + symbol.st_name, "__vdso_clock_gettime")) continue;
    return {reinterpret_cast<int (*)(int, void*)>(load_bias + symbol.st_value)};
  }
  return {};
}

}  // namespace strata::runtime
