#include "unwind_modules.h"

#include <elf.h>
#include <sys/mman.h>
#include <time.h>

#include "guarded_read.h"
#include "strata/backend/userspace/runtime/owner_lock.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kMaxModules = 1024;
constexpr std::uint32_t kMaxSegments = 64;
constexpr std::uint32_t kMaxDynamicEntries = 256;
constexpr std::uint32_t kRememberedRules = 2048;
constexpr std::uint64_t kRescanNs = 10'000'000;

struct Module {
  std::uint64_t begin;
  std::uint64_t end;
  std::uint64_t header;       // .eh_frame_hdr
  std::uint64_t fingerprint;  // its first bytes: another file at the same place has others
};

struct ModuleTable {
  std::uint32_t count;
  Module modules[kMaxModules];
};

// Written by one thread at a time, which makes `sequence` odd meanwhile; a reader who sees it change has read nothing.
struct RememberedRules {
  std::uint32_t sequence;
  std::uint32_t is_from_frame_pointer;
  std::uint64_t address;
  std::uint64_t code;  // the 8 bytes before the address
  std::int32_t cfa_offset;
  std::int32_t frame_pointer_offset;
};

// <link.h>, as far as it is the same in every C library.
struct LinkMap {
  std::uint64_t bias;
  std::uint64_t name;
  std::uint64_t dynamic;
  std::uint64_t next;
};

}  // namespace

// Emptied in a forked child.
struct UnwindCache {
  OwnerWord lock;             // of the scan
  std::uint64_t scanned_ns;   // atomic; 0: never
  std::uint32_t table_index;  // atomic: the lowest bit tells which table is valid
  std::uint32_t reserved;
  ModuleTable tables[2];
  RememberedRules rules[kRememberedRules];
};

namespace {

template <typename T>
bool ReadAt(Process& process, std::uint64_t address, T* out) {
  return GuardedRead(process, out, address, sizeof(T)) == 0;
}

std::uint64_t FingerprintOf(Process& process, std::uint64_t header) {
  std::uint64_t words[2] = {};
  GuardedRead(process, words, header, sizeof(words));
  return words[0] ^ (words[1] << 1);
}

void AddModule(Process& process, ModuleTable* table, std::uint64_t bias, std::uint64_t segments, std::uint64_t count) {
  if (table->count == kMaxModules || count > kMaxSegments) return;
  Module module{~std::uint64_t{0}, 0, 0, 0};
  for (std::uint64_t i = 0; i < count; ++i) {
    Elf64_Phdr segment;
    if (!ReadAt(process, segments + i * sizeof(segment), &segment)) return;
    const std::uint64_t address = bias + segment.p_vaddr;
    if (segment.p_type == PT_GNU_EH_FRAME) module.header = address;
    if (segment.p_type != PT_LOAD) continue;
    if (address < module.begin) module.begin = address;
    if (address + segment.p_memsz > module.end) module.end = address + segment.p_memsz;
  }
  if (module.header < module.begin || module.header >= module.end) return;
  module.fingerprint = FingerprintOf(process, module.header);
  table->modules[table->count++] = module;
}

// By the ELF header at the start of its first segment.
void AddFile(Process& process, ModuleTable* table, std::uint64_t bias, std::uint64_t start) {
  Elf64_Ehdr header;
  if (!ReadAt(process, start, &header)) return;
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phentsize != sizeof(Elf64_Phdr)) return;
  AddModule(process, table, bias, start + header.e_phoff, header.e_phnum);
}

// A vDSO's addresses are those of its file, from the place where it lies.
void AddVdso(Process& process, ModuleTable* table) {
  Elf64_Ehdr header;
  Elf64_Phdr first;
  if (process.vdso == 0 || !ReadAt(process, process.vdso, &header) ||
      !ReadAt(process, process.vdso + header.e_phoff, &first))
    return;
  AddFile(process, table, process.vdso - first.p_vaddr, process.vdso);
}

// Where the main program lies, and the dynamic linker's record for debuggers; 0 for a static program.
struct MainProgram {
  std::uint64_t bias = 0;
  std::uint64_t debug = 0;
};

MainProgram ReadMainProgram(Process& process) {
  MainProgram program;
  std::uint64_t dynamic = 0;
  for (std::uint64_t i = 0; i < process.main_segment_count && i < kMaxSegments; ++i) {
    Elf64_Phdr segment;
    if (!ReadAt(process, process.main_segments + i * sizeof(segment), &segment)) return {};
    if (segment.p_type == PT_PHDR) program.bias = process.main_segments - segment.p_vaddr;
    if (segment.p_type == PT_DYNAMIC) dynamic = segment.p_vaddr;
  }
  if (dynamic == 0) return program;
  for (std::uint32_t i = 0; i < kMaxDynamicEntries; ++i) {
    Elf64_Dyn entry;
    if (!ReadAt(process, program.bias + dynamic + i * sizeof(entry), &entry) || entry.d_tag == DT_NULL) break;
    if (entry.d_tag == DT_DEBUG) program.debug = entry.d_un.d_ptr;
  }
  return program;
}

void Scan(Process& process, ModuleTable* table) {
  table->count = 0;
  const MainProgram program = ReadMainProgram(process);
  AddModule(process, table, program.bias, process.main_segments, process.main_segment_count);
  AddVdso(process, table);
  constexpr std::uint64_t kMapOffset = 8;  // of r_debug::r_map
  std::uint64_t next = 0;
  if (program.debug == 0 || !ReadAt(process, program.debug + kMapOffset, &next)) return;
  for (std::uint32_t i = 0; i < kMaxModules && next != 0; ++i) {
    LinkMap map;
    if (!ReadAt(process, next, &map)) return;
    next = map.next;
    if (map.bias != program.bias && map.bias != 0) AddFile(process, table, map.bias, map.bias);
  }
}

const Module* FindIn(const ModuleTable& table, std::uint64_t address) {
  for (std::uint32_t i = 0; i < table.count && i < kMaxModules; ++i) {
    if (address >= table.modules[i].begin && address < table.modules[i].end) return &table.modules[i];
  }
  return nullptr;
}

// The header of the module as it is in the valid table now; 0 where it has gone.
std::uint64_t Lookup(Process& process, const UnwindCache& cache, std::uint64_t address) {
  const std::uint32_t index = __atomic_load_n(&cache.table_index, __ATOMIC_ACQUIRE);
  const Module* found = FindIn(cache.tables[index & 1], address);
  if (found == nullptr) return 0;
  const Module module = *found;
  if (__atomic_load_n(&cache.table_index, __ATOMIC_ACQUIRE) != index) return 0;
  return FingerprintOf(process, module.header) == module.fingerprint ? module.header : 0;
}

void Rescan(Process& process, UnwindCache& cache) {
  const std::uint64_t now = ClockNow(process, CLOCK_MONOTONIC);
  const std::uint64_t last = __atomic_load_n(&cache.scanned_ns, __ATOMIC_RELAXED);
  if (last != 0 && now - last < kRescanNs) return;
  if (Take(process, &cache.lock, CurrentOwner(process)) == Taken::kNot) return;
  const std::uint32_t index = __atomic_load_n(&cache.table_index, __ATOMIC_RELAXED);
  Scan(process, &cache.tables[(index + 1) & 1]);
  __atomic_store_n(&cache.table_index, index + 1, __ATOMIC_RELEASE);
  __atomic_store_n(&cache.scanned_ns, now, __ATOMIC_RELAXED);
  Drop(&cache.lock);
}

std::uint64_t IndexOf(std::uint64_t address) {
  const std::uint64_t mixed = address * 0x9e3779b97f4a7c15ULL;
  return (mixed >> 40) % kRememberedRules;
}

}  // namespace

UnwindCache* UnwindCacheOf(Process& process) noexcept {
  UnwindCache* known = __atomic_load_n(&process.unwind_cache, __ATOMIC_ACQUIRE);
  if (known != nullptr) return known;
  const long memory = sys::Mmap(nullptr, sizeof(UnwindCache), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (sys::IsError(memory)) return nullptr;
  auto* made = reinterpret_cast<UnwindCache*>(memory);
  sys::Madvise(made, sizeof(UnwindCache), MADV_WIPEONFORK);
  if (__atomic_compare_exchange_n(&process.unwind_cache, &known, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    return made;
  sys::Munmap(made, sizeof(UnwindCache));  // another thread was first
  return known;
}

void CloseUnwindCache(Process& process) noexcept {
  if (process.unwind_cache != nullptr) sys::Munmap(process.unwind_cache, sizeof(UnwindCache));
  process.unwind_cache = nullptr;
}

std::uint64_t FindUnwindHeader(Process& process, UnwindCache& cache, std::uint64_t address) noexcept {
  const std::uint64_t header = Lookup(process, cache, address);
  if (header != 0) return header;
  Rescan(process, cache);
  return Lookup(process, cache, address);
}

bool RecallRules(const UnwindCache& cache, std::uint64_t address, SimpleRules* out) noexcept {
  const RememberedRules& place = cache.rules[IndexOf(address)];
  const std::uint32_t sequence = __atomic_load_n(&place.sequence, __ATOMIC_ACQUIRE);
  const RememberedRules copy = place;
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  if (__atomic_load_n(&place.sequence, __ATOMIC_RELAXED) != sequence || (sequence & 1) != 0) return false;
  if (sequence == 0 || copy.address != address) return false;
  *out = {copy.cfa_offset, copy.frame_pointer_offset, copy.is_from_frame_pointer != 0, copy.code};
  return true;
}

void RememberRules(UnwindCache& cache, std::uint64_t address, const SimpleRules& rules) noexcept {
  RememberedRules& place = cache.rules[IndexOf(address)];
  std::uint32_t sequence = __atomic_load_n(&place.sequence, __ATOMIC_RELAXED);
  if ((sequence & 1) != 0) return;
  if (!__atomic_compare_exchange_n(&place.sequence, &sequence, sequence + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    return;
  place.address = address;
  place.code = rules.code;
  place.cfa_offset = rules.cfa_offset;
  place.frame_pointer_offset = rules.frame_pointer_offset;
  place.is_from_frame_pointer = rules.is_from_frame_pointer ? 1 : 0;
  __atomic_store_n(&place.sequence, sequence + 2, __ATOMIC_RELEASE);
}

}  // namespace strata::runtime
