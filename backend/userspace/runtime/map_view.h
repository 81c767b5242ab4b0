// Maps as a process sees them: the shared file mapped and checked, and the operations of its kind.
//
// All operations return 0 or a negative errno exactly as the kernel's do (kernel/bpf/arraymap.c, hashtab.c, ringbuf.c),
// are safe from any thread and in signal handlers, and never wait without bound. Addresses of values stay valid memory
// as long as the view is open.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/backend/userspace/runtime/reason.h"
#include "strata/spec/map_type.h"
#include "strata/spec/program_type.h"

namespace strata::runtime {

struct MapOps;

// What a creator asks for. Sizes in bytes.
struct MapAttributes {
  MapType type = MapType::kUnspec;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  std::uint32_t max_entries = 0;
  std::uint32_t flags = 0;
  std::uint64_t map_extra = 0;
  std::uint32_t possible_cpus = 1;
  std::uint32_t spin_lock_offset = kNoField;  // of fields that the runtime knows, in the value
  std::uint32_t timer_offset = kNoField;
  InnerMap inner = {};  // of maps that hold maps
};

// How the kind lays it out; see MapHeader for the fields.
struct MapGeometry {
  std::uint32_t max_entries = 0;  // where the kind rounds it; 0: as asked for
  std::uint32_t value_stride = 0;
  std::uint32_t slot_count = 1;
  std::uint64_t slot_stride = 0;
  std::uint64_t data_size = 0;
  std::uint64_t table_offset = 0;
  std::uint64_t table_size = 0;
  std::uint64_t sparse_size = 0;  // bytes at the table's end that have no memory from the start
  bool has_sparse_data = false;   // ... these are the data instead
  std::uint64_t file_size = 0;    // with the header's page
  std::uint32_t known_count = 0;  // places of MapView::known_ids
};

// One open map. Read-only for users of the runtime; the geometry is a checked private copy.
struct MapView {
  const MapOps* ops;
  std::byte* data;    // user-visible data; a ring's: its consumer page
  std::byte* table;   // the kind's own
  MapHeader* header;  // shared: its atomic fields only
  MapType type;
  std::uint32_t id;
  std::uint32_t key_size;
  std::uint32_t value_size;
  std::uint32_t max_entries;
  std::uint32_t flags;
  std::uint32_t value_stride;
  std::uint32_t slot_count;
  std::uint64_t slot_stride;
  std::uint32_t spin_lock_offset;  // kNoField without one
  std::uint32_t timer_offset;
  InnerMap inner;
  std::uint64_t hash_seed;
  std::uint64_t derived[8];  // constants that the kind computes when it is opened
  Process* process;
  std::byte* mapping;
  std::uint64_t mapping_size;
  MapGeometry geometry;
  std::uint32_t references;
  // Of maps that hold objects: what this process knows of each place (resolved_objects.h). Behind the file.
  ProgramType caller_type;  // of a prog array: that of all programs here that call through it
  std::uint64_t* known_ids;
  void** known_objects;
  bool is_resolved;  // one of the references is held because the id was found in a map
  bool is_forgotten;
  MapView* next;
  bool is_read_only;  // of a session that is shared with us so: no operation that writes may be called
};

namespace map_traits {
inline constexpr std::uint32_t kPerCpu = 1U << 0;    // user space sees one value per possible CPU; programs need a slot
inline constexpr std::uint32_t kRing = 1U << 1;      // programs write records, user space reads them
inline constexpr std::uint32_t kMmapable = 1U << 2;  // user space may map the data
inline constexpr std::uint32_t kIndexed = 1U << 3;   // a value's address follows from its index alone
// Elements are objects, in the file their ids (0 where an array's slot is empty): copy_in takes an id, and 0 for what
// is none; programs may not change them.
inline constexpr std::uint32_t kHoldsPrograms = 1U << 4;
inline constexpr std::uint32_t kHoldsMaps = 1U << 5;
// A value per thread or other object, which is named by a descriptor; made by what it belongs to.
inline constexpr std::uint32_t kLocalStorage = 1U << 6;
inline constexpr std::uint32_t kUserRing = 1U << 7;     // user space writes records, programs read them
inline constexpr std::uint32_t kMappedTwice = 1U << 8;  // the data behind the two pages of positions, in a row
// Fields that values may have (kernel/bpf/syscall.c, map_check_btf).
inline constexpr std::uint32_t kSpinLocks = 1U << 16;
inline constexpr std::uint32_t kTimers = 1U << 17;
inline constexpr std::uint32_t kHoldsObjects = kHoldsPrograms | kHoldsMaps;
}  // namespace map_traits

// Called with the addresses of an element's key and value; a non-zero result ends the walk.
using ElementVisitor = long (*)(const void* key, void* value, void* argument) noexcept;

// What kinds without an operation have in its place (maps/unsupported.cc).
void NothingToInitialize(MapView& map) noexcept;
long NothingToOpen(MapView& map) noexcept;
long UnsupportedTake(MapView& map, const void* key, void* value, std::uint64_t flags) noexcept;
long UnsupportedPush(MapView& map, const void* value, std::uint64_t flags) noexcept;
long UnsupportedPop(MapView& map, void* value) noexcept;  // and peek

// One row per kind; nothing in it is null.
struct MapOps {
  std::uint32_t traits;
  // Checks the attributes as the kernel does at creation and computes the layout.
  long (*geometry)(const MapAttributes& attributes, MapGeometry* out) noexcept;
  // Fills what must not be zero in a new, zeroed map.
  void (*initialize)(MapView& map) noexcept = NothingToInitialize;
  // Computes MapView::derived from the checked geometry; -EBADMSG when the shared state contradicts it.
  long (*open)(MapView& map) noexcept = NothingToOpen;

  // As a program calls them. `slot` is the run's, below slot_count for per-CPU kinds.
  void* (*lookup)(MapView& map, const void* key, std::uint32_t slot) noexcept;
  long (*update)(MapView& map, const void* key, const void* value, std::uint64_t flags, std::uint32_t slot) noexcept;
  long (*erase)(MapView& map, const void* key) noexcept;
  long (*for_each)(MapView& map, std::uint32_t slot, ElementVisitor visit, void* argument) noexcept;
  long (*push)(MapView& map, const void* value, std::uint64_t flags) noexcept = UnsupportedPush;
  long (*pop)(MapView& map, void* value) noexcept = UnsupportedPop;
  long (*peek)(MapView& map, void* value) noexcept = UnsupportedPop;

  // As user space calls them: value is ElementSize() bytes, flags are UpdateMode's and LookupMode's. Kinds without keys
  // get a null key.
  long (*copy_out)(MapView& map, const void* key, void* value, std::uint64_t flags) noexcept;
  long (*copy_in)(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept;
  // Lookup and delete.
  long (*take)(MapView& map, const void* key, void* value, std::uint64_t flags) noexcept = UnsupportedTake;
  // The key after `key` (null: the first); -ENOENT at the end. A key that is gone starts again.
  long (*next_key)(MapView& map, const void* key, void* next) noexcept;
};

struct MapKind {
  MapType type;
  const char* name;  // as bpftool prints it
  const MapOps* ops;
};

struct MapKindTable {
  const MapKind* rows;
  std::size_t count;
  const MapKind* begin() const noexcept { return rows; }
  const MapKind* end() const noexcept { return rows + count; }
};

MapKindTable MapKinds() noexcept;
// Null for a kind this runtime does not have.
const MapKind* FindMapKind(MapType type) noexcept;

// Bytes of one element as user space sees it: value_size, or slot_count values of value_stride for per-CPU kinds.
std::uint64_t ElementSize(const MapView& map) noexcept;

// -EINVAL, -E2BIG ... as bpf(2) BPF_MAP_CREATE; -ENOTSUPP (524) for a kind that is not there.
long ComputeGeometry(const MapAttributes& attributes, MapGeometry* out) noexcept;

// What a new map is called; copied into its header.
struct MapIdentity {
  std::uint32_t id = 0;
  char name[kNameSize] = {};
  std::uint32_t key_type_id = 0;
  std::uint32_t value_type_id = 0;
  std::uint32_t btf_id = 0;
  std::uint64_t hash_seed = 0;
};

// Makes `fd`, a file of geometry.file_size zero bytes that nobody else sees yet, a map and opens it as OpenMap does.
long CreateMap(Process& process, int fd, const MapAttributes& attributes, const MapGeometry& geometry,
               const MapIdentity& identity, MapView** out, Reason* reason) noexcept;

// Maps and checks a map's file; a second call for the same id returns the same view and counts it. The descriptor stays
// the caller's.
long OpenMap(Process& process, int fd, MapView** out, Reason* reason) noexcept;
// The same for map-<id> of the session, read-only where we may not write it.
long OpenMapById(Process& process, int folder_fd, std::uint32_t id, MapView** out, Reason* reason) noexcept;
// Unmaps at the last release; nobody may then hold the address of an element. These functions and those of
// program_instance.h may be called from any thread; -EBUSY when another one does not get done for seconds.
void ReleaseMap(MapView* map) noexcept;

}  // namespace strata::runtime
