#include "loaded_symbols.h"

namespace strata::attach {
// Records of <elf.h> and <link.h>, which would bring declarations of libc.
struct AuxiliaryEntry {
  std::uint64_t type;
  std::uint64_t value;
};

namespace {

constexpr std::uint64_t kProgramHeaders = 3;      // AT_PHDR
constexpr std::uint64_t kProgramHeaderCount = 5;  // AT_PHNUM

struct ProgramHeader {
  std::uint32_t type;
  std::uint32_t flags;
  std::uint64_t offset;
  std::uint64_t address;
  std::uint64_t rest[4];
};
constexpr std::uint32_t kDynamicSegment = 2;
constexpr std::uint32_t kOwnSegment = 6;  // PT_PHDR

struct DynamicEntry {
  std::int64_t tag;
  std::uint64_t value;
};
constexpr std::int64_t kStrings = 5;
constexpr std::int64_t kSymbols = 6;
constexpr std::int64_t kDebug = 21;
constexpr std::int64_t kGnuHash = 0x6ffffef5;

struct Symbol {
  std::uint32_t name;
  std::uint8_t info;
  std::uint8_t other;
  std::uint16_t section;
  std::uint64_t value;
  std::uint64_t size;
};
constexpr std::uint8_t kFunction = 2;

struct LoadedObject {
  std::uint64_t base;
  const char* path;
  const DynamicEntry* dynamic;
  const LoadedObject* next;
};

struct DebuggerList {
  std::int32_t version;
  const LoadedObject* first;
};

struct GnuHashTable {
  std::uint32_t bucket_count;
  std::uint32_t first_symbol;
  std::uint32_t bloom_size;
  std::uint32_t bloom_shift;
};

const DynamicEntry* DynamicOf(const ProgramHeader* headers, std::uint64_t count) {
  std::uint64_t base = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (headers[i].type == kOwnSegment) base = reinterpret_cast<std::uint64_t>(headers) - headers[i].address;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (headers[i].type == kDynamicSegment) return reinterpret_cast<const DynamicEntry*>(base + headers[i].address);
  }
  return nullptr;
}

std::uint64_t ValueOf(const DynamicEntry* dynamic, std::int64_t tag) {
  for (; dynamic->tag != 0; ++dynamic) {
    if (dynamic->tag == tag) return dynamic->value;
  }
  return 0;
}

const LoadedObject* FirstObject(const AuxiliaryEntry* entry) {
  const ProgramHeader* headers = nullptr;
  std::uint64_t count = 0;
  for (; entry->type != 0; ++entry) {
    if (entry->type == kProgramHeaders) headers = reinterpret_cast<const ProgramHeader*>(entry->value);
    if (entry->type == kProgramHeaderCount) count = entry->value;
  }
  const DynamicEntry* dynamic = headers == nullptr ? nullptr : DynamicOf(headers, count);
  if (dynamic == nullptr) return nullptr;
  const auto* list = reinterpret_cast<const DebuggerList*>(ValueOf(dynamic, kDebug));
  return list == nullptr ? nullptr : list->first;
}

std::uint32_t HashOf(const char* name) {
  std::uint32_t hash = 5381;
  for (; *name != '\0'; ++name) hash = hash * 33 + static_cast<std::uint8_t>(*name);
  return hash;
}

bool TextEquals(const char* left, const char* right) {
  for (; *left == *right; ++left, ++right) {
    if (*left == '\0') return true;
  }
  return false;
}

// glibc writes absolute addresses over the file's where it can, musl does not.
template <typename T>
const T* Table(const LoadedObject& object, std::int64_t tag) {
  const std::uint64_t value = ValueOf(object.dynamic, tag);
  if (value == 0) return nullptr;
  return reinterpret_cast<const T*>(value < object.base ? object.base + value : value);
}

std::uint64_t FindIn(const LoadedObject& object, const char* name, std::uint32_t hash) {
  const auto* table = Table<GnuHashTable>(object, kGnuHash);
  const auto* symbols = Table<Symbol>(object, kSymbols);
  const char* strings = Table<char>(object, kStrings);
  if (table == nullptr || symbols == nullptr || strings == nullptr || table->bucket_count == 0) return 0;
  const auto* bloom = reinterpret_cast<const std::uint64_t*>(table + 1);
  const auto* buckets = reinterpret_cast<const std::uint32_t*>(bloom + table->bloom_size);
  const std::uint32_t* chains = buckets + table->bucket_count;
  std::uint32_t index = buckets[hash % table->bucket_count];
  if (index < table->first_symbol) return 0;
  for (;; ++index) {
    const std::uint32_t found = chains[index - table->first_symbol];
    const Symbol& symbol = symbols[index];
    const bool is_function = symbol.section != 0 && (symbol.info & 0xf) == kFunction;
    if ((found | 1) == (hash | 1) && is_function && TextEquals(strings + symbol.name, name))
      return object.base + symbol.value;
    if ((found & 1) != 0) return 0;
  }
}

}  // namespace

const AuxiliaryEntry* AuxiliaryVectorBehind(char** environment) noexcept {
  while (*environment != nullptr) ++environment;
  return reinterpret_cast<const AuxiliaryEntry*>(environment + 1);
}

std::size_t FindLoadedFunctions(const AuxiliaryEntry* auxiliary_vector, const char* name, std::uint64_t* addresses,
                                std::size_t capacity) noexcept {
  const std::uint32_t hash = HashOf(name);
  std::size_t count = 0;
  for (const LoadedObject* object = FirstObject(auxiliary_vector); object != nullptr; object = object->next) {
    const std::uint64_t address = object->dynamic == nullptr ? 0 : FindIn(*object, name, hash);
    if (address == 0) continue;
    if (count < capacity) addresses[count] = address;
    ++count;
  }
  return count;
}

}  // namespace strata::attach
