// What lies in a registry's files: standard-layout records with offsets, never pointers. docs/registry.md describes
// them byte by byte.
//
// A file belongs to whoever may write it, so a reader checks every field before use. Geometry that is compiled into a
// program's code comes from the program's file, which only its owner may write.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/spec/function_signature.h"
#include "strata/spec/map_type.h"
#include "strata/spec/program_type.h"

namespace strata::runtime {

inline constexpr std::uint32_t kPageSize = 4096;
inline constexpr std::uint32_t kLayoutVersion = 4;  // of everything in this file
inline constexpr std::uint32_t kImageAbi = 3;       // of compiled code: RunContext, helper calling convention
inline constexpr std::uint32_t kNameSize = 64;      // bytes of a name with its NUL
inline constexpr std::uint32_t kCacheLine = 64;

// --- File names in a session's folder ----------------------------------------------------------------------------
inline constexpr char kRootFile[] = "root";
inline constexpr char kMapPrefix[] = "map-";  // map-<id>
inline constexpr char kProgramPrefix[] = "prog-";
inline constexpr char kLinkPrefix[] = "link-";
inline constexpr char kTypesPrefix[] = "btf-";
inline constexpr char kStatsPrefix[] = "stats-";        // somebody wants runs counted or timed, as long as it is held
inline constexpr char kPinnedFolder[] = "pinned";       // second names of objects, in any folders
inline constexpr char kInstancePrefix[] = "instance-";  // instance-<link id>-<pid>
inline constexpr char kFunctionPrefix[] = "func-";      // func-<name>
inline constexpr char kInstanceFolder[] = "instances";  // of shared sessions: where instance records lie
inline constexpr char kSharingFile[] = "sharing";
inline constexpr char kLogFile[] = "log";  // a ring buffer map (id 0): what bpf_printk wrote

// First word of each file.
enum class FileMagic : std::uint32_t {
  kRoot = 0x53545231,      // "STR1"
  kMap = 0x5354524d,       // "STRM"
  kProgram = 0x53545250,   // "STRP"
  kLink = 0x5354524c,      // "STRL"
  kInstance = 0x53545249,  // "STRI"
  kTypes = 0x53545242,     // "STRB"
  kStats = 0x53545253,     // "STRS"
  kSharing = 0x53545248,   // "STRH"
  kFunction = 0x53545246,  // "STRF"
};

// --- root ----------------------------------------------------------------------------------------------------------
// Who holds a lock or a slot: 0 for nobody, else thread id (bits 0..21), process id (22..43) and a tag of the holder's
// PID namespace (44..63).
using OwnerWord = std::uint64_t;

// One per-CPU slot; taken and released by compare-and-exchange of its owner.
struct alignas(kCacheLine) SlotWord {
  OwnerWord owner;
  std::uint8_t reserved[kCacheLine - 8];
};
static_assert(sizeof(SlotWord) == kCacheLine);

// The file: this header in the first page, then slot_count SlotWords from slots_offset on.
struct RootHeader {
  std::uint32_t magic;  // FileMagic::kRoot
  std::uint32_t version;
  std::uint32_t next_id;     // atomic; ids start at 1 and are never used again within a session
  std::uint32_t generation;  // atomic, a futex word: odd while an object is being published or removed
  std::uint32_t slot_count;  // possible CPUs
  std::uint32_t slots_offset;
  std::uint64_t file_size;
  std::uint32_t instance_generation;  // atomic, a futex word: bumped when an instance record was written or removed
  std::uint32_t stats_flags;          // atomic: link_flags that new links have, as the stats files ask
};

// --- map-<id> --------------------------------------------------------------------------------------------------------
inline constexpr std::uint32_t kNoField = 0xffffffff;
// Bytes of struct bpf_spin_lock and struct bpf_timer (include/uapi/linux/bpf.h).
inline constexpr std::uint32_t kSpinLockSize = 4;
inline constexpr std::uint32_t kTimerSize = 16;

// What every map in a map of maps must be (kernel/bpf/map_in_map.c, bpf_map_meta_equal).
struct InnerMap {
  MapType type;
  std::uint32_t key_size;
  std::uint32_t value_size;
  std::uint32_t max_entries;
  std::uint32_t flags;
  std::uint32_t spin_lock_offset;  // kNoField without one
  std::uint32_t timer_offset;
};

// User-visible data starts at offset 0, in the layout that the kernel gives mmap. This header is the file's last page.
struct MapHeader {
  std::uint32_t magic;  // FileMagic::kMap
  std::uint32_t version;
  std::uint32_t id;
  MapType type;
  std::uint32_t key_size;
  std::uint32_t value_size;
  std::uint32_t max_entries;
  std::uint32_t flags;
  std::uint64_t map_extra;
  std::uint32_t value_stride;  // value_size rounded up to 8: distance of neighbouring values
  std::uint32_t slot_count;    // values per element: possible CPUs for per-CPU kinds, else 1
  std::uint64_t slot_stride;   // bytes between the areas of two slots (per-CPU array); 0 elsewhere
  std::uint64_t data_size;     // bytes of user-visible data from offset 0, a multiple of the page size
  std::uint64_t table_offset;  // the kind's own tables (hash buckets, elements); a multiple of the page size
  std::uint64_t table_size;
  std::uint64_t file_size;
  std::uint64_t hash_seed;
  std::uint32_t frozen;       // atomic: 1 after freeze
  std::uint32_t wake_word;    // atomic, a futex word: bumped by a ring's producers when the consumer waits
  std::uint32_t waiting;      // atomic: 1 while the ring's consumer waits
  std::uint32_t entry_count;  // atomic: elements of a hash
  std::uint64_t dropped;      // atomic: ring records that found no room; ids that a process could make nothing of
  std::uint32_t key_type_id;  // in the BTF object btf_id
  std::uint32_t value_type_id;
  std::uint32_t btf_id;            // btf-<id>; 0 without types
  std::uint32_t spin_lock_offset;  // bytes into the value; kNoField without one
  std::uint32_t timer_offset;
  std::uint32_t reserved;
  InnerMap inner;  // of maps that hold maps; zero elsewhere
  char name[kNameSize];
  std::uint32_t reserved2;
  // The kind's own state, for example the head of a free list.
  std::uint64_t kind_state[16];
};
static_assert(sizeof(MapHeader) <= kPageSize);

// Of an arena's page, in its byte of the map's table.
enum class ArenaPage : std::uint8_t {
  kFree = 0,       // without memory, or touched by user space, which has it then
  kAllocated = 1,  // what programs may touch
  kFreed = 2,      // no longer user space's to touch: what memory there is has old contents
  kReserved = 3,
};

// --- log ------------------------------------------------------------------------------------------------------------

// A record of the log's ring buffer: this, then the text without NUL.
struct TraceRecord {
  std::uint64_t time_ns;  // CLOCK_MONOTONIC
  std::uint32_t pid;      // process and thread in the writer's PID namespace
  std::uint32_t tid;
  char comm[16];
};
static_assert(sizeof(TraceRecord) == 32);

// --- prog-<id> -------------------------------------------------------------------------------------------------------
enum class ImageRelocationKind : std::uint16_t {
  kMapView = 1,       // 64-bit address of the process's MapView of map `index` (a position in the program's map table)
  kMapData = 2,       // 64-bit address of that map's data plus addend
  kMapTable = 3,      // 64-bit address of that map's tables plus addend
  kHelper = 4,        // 64-bit address of helper `index` (the kernel's number)
  kImage = 5,         // 64-bit address of the image plus addend
  kMapOperation = 6,  // 64-bit address of that map's function for MapOperation `addend`
  kFunction = 7,      // 64-bit address of a function that the program calls by name: `index` into its imports
};

// What compiled code calls directly where it knows the map: MapOps::lookup, update, erase.
enum class MapOperation : std::uint8_t { kLookup = 0, kUpdate = 1, kErase = 2 };

struct ImageRelocation {
  std::uint32_t offset;  // of the 8 bytes to write, from the image's start
  ImageRelocationKind kind;
  std::uint16_t reserved;
  std::uint32_t index;
  std::uint32_t reserved2;
  std::int64_t addend;
};
static_assert(sizeof(ImageRelocation) == 24);

// A map as the compiler saw it: the agent refuses the program when the map's file says otherwise.
struct ProgramMap {
  std::uint32_t id;
  MapType type;
  std::uint32_t key_size;
  std::uint32_t value_size;
  std::uint32_t max_entries;
  std::uint32_t flags;
  std::uint32_t value_stride;
  std::uint32_t slot_count;
  std::uint64_t slot_stride;
};

namespace program_flags {
inline constexpr std::uint32_t kUnverified = 1U << 0;   // structural check only
inline constexpr std::uint32_t kUsesSlot = 1U << 1;     // per-CPU maps, or asks for its CPU number
inline constexpr std::uint32_t kInterpreted = 1U << 2;  // no image: the interpreter runs the instructions
inline constexpr std::uint32_t kSetsTimers = 1U << 3;   // its functions may be callbacks of timers
inline constexpr std::uint32_t kOverridesReturn =
    1U << 4;  // calls bpf_override_return: hooks the starts of functions alone
}  // namespace program_flags

// Of one program; a file with more is refused.
inline constexpr std::uint32_t kMaxProgramMaps = 4096;
inline constexpr std::uint32_t kMaxProgramFunctions = 4096;  // of programs with callbacks
inline constexpr std::uint32_t kMaxProgramImports = 1024;

// Where a function starts, for callbacks that run in another process.
struct ProgramFunction {
  std::uint32_t instruction;   // of the first slot
  std::uint32_t image_offset;  // from the image's start; 0 when interpreted
};

// A function that the program calls by name: the runtime's own, or one that its host serves.
struct ProgramImport {
  char name[kNameSize];
};

// Header at offset 0, then the tables at their offsets. Instructions: ldimm64 of a map has src = kMapIndex or
// kMapIndexValue (isa::PseudoLoad) and the position in the map table as imm.
struct ProgramHeader {
  std::uint32_t magic;  // FileMagic::kProgram
  std::uint32_t version;
  std::uint32_t image_abi;
  std::uint32_t id;
  ProgramType type;
  std::uint32_t flags;  // program_flags
  std::uint64_t file_size;
  std::uint64_t load_time_ns;  // CLOCK_BOOTTIME
  std::uint32_t instructions_offset;
  std::uint32_t instruction_count;
  std::uint32_t image_offset;  // machine code; 0 size when interpreted
  std::uint32_t image_size;
  std::uint32_t entry_offset;     // from the image's start: ImageEntry
  std::uint32_t callback_offset;  // from the image's start: CallbackThunk; 0 when the program has no callbacks
  std::uint32_t relocations_offset;
  std::uint32_t relocation_count;
  std::uint32_t maps_offset;
  std::uint32_t map_count;
  std::uint8_t tag[8];
  char name[kNameSize];
  char license[kNameSize];
  std::uint32_t btf_id;          // btf-<id>, the types of its functions and lines; 0 without
  std::uint32_t created_by_uid;  // in the loader's user namespace
  std::uint32_t func_info_offset;
  std::uint32_t func_info_count;  // FunctionRecord
  std::uint32_t line_info_offset;
  std::uint32_t line_info_count;     // LineRecord
  std::uint32_t task_layout_offset;  // TaskLayout (task_layout.h), of programs that ask for the current task
  std::uint32_t task_layout_size;    // 0 for others
  std::uint32_t functions_offset;    // ProgramFunction, in the order of the instructions; of programs with callbacks
  std::uint32_t function_count;
  AttachType attach_type;
  std::uint32_t disabled;  // atomic: 1 while no link of the program runs it
  std::uint32_t import_count;
  std::uint32_t imports_offset;     // ProgramImport; a call with src kKfunc has the position as imm
  std::uint32_t tail_entry_offset;  // from the image's start: TailEntry
  std::uint32_t reserved;
  // Atomic: what links that are gone counted.
  std::uint64_t run_count;
  std::uint64_t run_ticks;
  std::uint64_t missed_count;
};

// struct bpf_func_info and bpf_line_info (include/uapi/linux/bpf.h); offsets are instruction indices.
struct FunctionRecord {
  std::uint32_t instruction;
  std::uint32_t type_id;
};
struct LineRecord {
  std::uint32_t instruction;
  std::uint32_t file_name_offset;  // strings of the BTF
  std::uint32_t line_offset;
  std::uint32_t line_and_column;  // column in the low 10 bits
};

// --- btf-<id> --------------------------------------------------------------------------------------------------------
struct TypesHeader {
  std::uint32_t magic;  // FileMagic::kTypes
  std::uint32_t version;
  std::uint32_t id;
  std::uint32_t created_by_uid;
  std::uint64_t file_size;
  std::uint32_t bytes_offset;  // of a .BTF section as it was loaded
  std::uint32_t bytes_size;
};

// --- stats-<id> ------------------------------------------------------------------------------------------------------
struct StatsRecord {
  std::uint32_t magic;  // FileMagic::kStats
  std::uint32_t version;
  std::uint32_t flags;  // link_flags that links have while the file is held
  std::uint32_t reserved;
};

// --- link-<id> -------------------------------------------------------------------------------------------------------
// Counters of one CPU's worth of runs; a run adds to the line of the CPU it is on, atomically.
struct alignas(kCacheLine) LinkCounters {
  std::uint64_t run_count;
  std::uint64_t run_ticks;     // time stamp counter, only with link_flags::kTimed
  std::uint64_t missed_count;  // events not run: recursion, no free slot, no free return slot
  std::uint64_t reserved[5];
};
static_assert(sizeof(LinkCounters) == kCacheLine);

namespace link_flags {
inline constexpr std::uint32_t kCounted = 1U << 0;
inline constexpr std::uint32_t kTimed = 1U << 1;
}  // namespace link_flags

// Of LinkHeader::enabled: a link runs its program while kEnabled alone is set.
namespace link_state {
inline constexpr std::uint32_t kEnabled = 1U << 0;
inline constexpr std::uint32_t kProgramDisabled = 1U << 1;  // what ProgramHeader::disabled says
}  // namespace link_state

struct LinkHeader {
  std::uint32_t magic;  // FileMagic::kLink
  std::uint32_t version;
  std::uint32_t id;
  std::uint32_t program_id;
  std::int32_t pid;     // kAllProcesses (-1), or one process in the loader's PID namespace
  std::uint32_t flags;  // atomic: link_flags
  std::uint64_t cookie;
  std::uint64_t file_size;
  std::uint32_t enabled;  // atomic, of link_state: 0 while disabled or once the link is gone
  std::uint32_t counters_count;
  std::uint32_t counters_offset;  // LinkCounters
  std::uint32_t config_offset;    // the attach kind's record
  std::uint32_t config_size;
  std::uint32_t path_offset;  // AttachTarget::path, NUL-terminated
  std::uint32_t path_size;    // with the NUL
  std::uint32_t plan_offset;  // what the kind's planner made for the engine; 0 size for none
  std::uint32_t plan_size;
  std::uint32_t reserved;
  std::uint64_t file_device;  // st_dev and st_ino of path when the link was made
  std::uint64_t file_inode;
  char kind[kNameSize];
  std::uint32_t is_summed;  // atomic: 1 once its counters were added to its program's
  std::uint32_t reserved2;
};

// --- sharing --------------------------------------------------------------------------------------------------------

enum class SharedWith : std::uint32_t { kGroup = 1, kUser = 2 };

struct SharingRecord {
  std::uint32_t magic;  // FileMagic::kSharing
  std::uint32_t version;
  SharedWith with;
  std::uint32_t id;  // of the group or user
  std::uint32_t maps_are_read_only;
  std::uint32_t reserved;
};

// --- func-<name> ----------------------------------------------------------------------------------------------------

// Locked by each process that serves a function of that name and prototype.
struct HostFunctionRecord {
  std::uint32_t magic;  // FileMagic::kFunction
  std::uint32_t version;
  FunctionSignature signature;
  char name[kNameSize];
};

// --- instance-<link>-<pid> -------------------------------------------------------------------------------------------
enum class InstanceState : std::uint32_t { kAttached = 1, kRefused = 2, kPending = 3 };

struct InstanceRecord {
  std::uint32_t magic;  // FileMagic::kInstance
  std::uint32_t version;
  std::uint32_t link_id;
  std::int32_t pid;
  InstanceState state;
  std::int32_t error;        // errno for kRefused
  char reason[256];          // for people, NUL-terminated
  std::uint64_t site_count;  // places hooked
};

}  // namespace strata::runtime
