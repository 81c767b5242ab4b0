// The seam: what strata needs of whoever runs programs. The kernel is one implementation, the userspace runtime
// another.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/backend/event_memory.h"
#include "strata/backend/feature.h"
#include "strata/backend/host_function.h"
#include "strata/backend/kernel_facts.h"
#include "strata/backend/linked_program.h"
#include "strata/backend/map_batch.h"
#include "strata/backend/program_info.h"
#include "strata/base/result.h"
#include "strata/base/unique_fd.h"
#include "strata/spec/attach_target.h"
#include "strata/spec/map_spec.h"

namespace strata {

// A map as it exists; sizes in bytes.
struct MapInfo {
  std::uint32_t id = 0;
  std::string name;
  MapType type = MapType::kUnspec;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  std::uint32_t max_entries = 0;
  std::uint32_t flags = 0;
  std::uint64_t map_extra = 0;
  // The kernel's BTF object with the types of keys and values, and their ids in it; 0 for none.
  std::uint32_t btf_id = 0;
  std::uint32_t key_type_id = 0;
  std::uint32_t value_type_id = 0;
  // Bytes of one element as element operations take it: value_size, or for per-CPU kinds possible_cpus values of
  // value_size rounded up to 8.
  std::uint32_t element_size = 0;
  bool operator==(const MapInfo&) const = default;
};

// What a handle of a map that is opened by its path may do.
enum class MapAccess : std::uint8_t { kReadWrite, kReadOnly, kWriteOnly };

// What of a map changes while it exists.
struct MapState {
  bool is_frozen = false;
  std::uint64_t memory_bytes = 0;  // charged for it; an estimate of the kernel's
};

class BackendProgram;
class BackendMap;

// Memory shared with programs. Unmapped with the object.
class STRATA_EXPORT MapMemory {
 public:
  virtual ~MapMemory() = default;
  virtual std::span<std::byte> bytes() = 0;
  virtual bool is_read_only() const = 0;
};

// A program that a function pointer inside of a value stands for (struct_ops).
struct ProgramPointer {
  std::uint32_t offset_bytes = 0;
  std::shared_ptr<BackendProgram> program;
};

// Thread-safe. Keys and values are raw bytes of exactly key_size and element_size.
class STRATA_EXPORT BackendMap {
 public:
  virtual ~BackendMap() = default;
  virtual const MapInfo& info() const = 0;

  // False for a key that does not exist; `value` is then untouched.
  virtual Result<bool> Lookup(std::span<const std::byte> key, std::span<std::byte> value) = 0;
  virtual Result<void> Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode mode) = 0;
  // False for a key that does not exist.
  virtual Result<bool> Delete(std::span<const std::byte> key) = 0;
  virtual Result<bool> LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value) = 0;
  // The same while the spin lock in the value is held (BPF_F_LOCK). kInvalidArgument for values without one.
  virtual Result<bool> LookupLocked(std::span<const std::byte> key, std::span<std::byte> value);
  virtual Result<bool> LookupAndDeleteLocked(std::span<const std::byte> key, std::span<std::byte> value);
  // The key after `key` (after none: the first one); false at the end. A `key` that is gone starts again.
  virtual Result<bool> NextKey(std::optional<std::span<const std::byte>> key, std::span<std::byte> next) = 0;

  // Many elements: keys.size() / key_size of them, whose keys and values stand in a row. What a backend or kind does
  // not have is done element by element, with the same results.
  virtual BatchResult LookupBatch(BatchCursor& cursor, BatchAction action, std::span<std::byte> keys,
                                  std::span<std::byte> values, LookupMode mode);
  virtual BatchResult UpdateBatch(std::span<const std::byte> keys, std::span<const std::byte> values, UpdateMode mode);
  virtual BatchResult DeleteBatch(std::span<const std::byte> keys);

  // Elements that are objects: a program in a prog array, a map in a map of maps. kNotSupported for other kinds.
  virtual Result<void> UpdateProgram(std::span<const std::byte> key, const std::shared_ptr<BackendProgram>& program);
  virtual Result<void> UpdateMap(std::span<const std::byte> key, const std::shared_ptr<BackendMap>& map);
  // The one value of a struct_ops map, in the kernel's layout. kNotSupported for other kinds.
  virtual Result<void> UpdateStructOps(std::span<const std::byte> value, std::span<const ProgramPointer> programs);
  virtual Result<void> Freeze() = 0;
  // kNotSupported for kinds that cannot be mapped.
  virtual Result<std::unique_ptr<MapMemory>> Memory() = 0;
  virtual Result<std::unique_ptr<RingMemory>> Ring() = 0;
  // Of a user ring buffer and of a perf event array; kNotSupported for other kinds.
  virtual Result<std::unique_ptr<UserRingMemory>> UserRing();
  // CPUs that are there now and have a slot in the map, ascending; their numbers may have holes.
  virtual Result<std::vector<std::uint32_t>> PerfCpus();
  // Makes the buffer of one CPU and puts it into the map: programs on that CPU reach it from now on. kNotFound for a
  // CPU that is offline.
  virtual Result<std::unique_ptr<PerfMemory>> PerfBuffer(std::uint32_t cpu, const PerfBufferOptions& options);
  virtual Result<MapState> State();
  // Keeps the map when no handle is left; a path in a BPF file system. kNotSupported where there is nothing like it.
  virtual Result<void> Pin(const std::string& path);
};

// Keeps a BTF available to programs and maps made with it.
class STRATA_EXPORT BackendTypes {
 public:
  virtual ~BackendTypes() = default;
};

class STRATA_EXPORT BackendProgram {
 public:
  virtual ~BackendProgram() = default;
  virtual const ProgramInfo& info() const = 0;
  // Counted only while the guard of Backend::EnableStats lives.
  virtual Result<ProgramStats> Stats() = 0;
  // What the verifier said of the program, where LinkedProgram::log_level asked for it.
  virtual std::string_view log() const { return {}; }

  // The following are kNotSupported on backends that have nothing like it.
  virtual Result<ProgramCode> Code();
  // Bytes of memory that the program takes, accounted to who loaded it.
  virtual Result<std::uint64_t> MemoryBytes();
  virtual Result<TestRunResult> TestRun(const TestRunOptions& options);
  // Keeps the program when this process ends; a path in a BPF file system.
  virtual Result<void> Pin(const std::string& path);
};

// What one process made of a link.
struct LinkInstance {
  enum class State : std::uint8_t {
    kAttached,
    kPending,  // the file to be hooked is not mapped there
    kRefused,
  };
  std::int32_t pid = 0;
  State state = State::kRefused;
  std::uint64_t site_count = 0;
  std::string reason;  // for what is not attached
};

// What is known of a link. A member that says nothing about its kind keeps its default.
struct LinkInfo {
  std::uint32_t id = 0;
  std::uint32_t program_id = 0;
  std::string kind;  // of the attach target; the kernel's link type where that is all it tells
  std::string path;  // the file hooked, if any
  std::int32_t pid = kAllProcesses;
  std::string name;  // of the tracepoint, function or iterator
  AttachType attach_type = AttachType::kNone;
  std::uint32_t ifindex = 0;         // of the network interface
  std::uint64_t target_id = 0;       // of the cgroup, map, program or BTF; a network namespace's inode
  std::uint32_t target_type_id = 0;  // of the function hooked, in the BTF or program `target_id`
  std::uint64_t offset = 0;          // bytes into the file or function
  std::uint64_t cookie = 0;
  std::uint32_t place_count = 0;  // functions hooked by one link of many
  bool operator==(const LinkInfo&) const = default;
};

// A BTF that a backend holds.
struct TypesInfo {
  std::uint32_t id = 0;
  std::string name;  // "vmlinux" or a module's; empty for an object's
  std::uint32_t size_bytes = 0;
  bool is_kernel = false;
};

// What exists on a backend, whoever made it, sorted by id.
struct ObjectListing {
  std::vector<MapInfo> maps;
  std::vector<ProgramInfo> programs;
  std::vector<LinkInfo> links;
  std::vector<TypesInfo> types;  // the kernel's only
};

// A place that programs attach to, to be asked for them.
struct QueryTarget {
  enum class Place : std::uint8_t { kCgroup, kInterface, kNetworkNamespace, kSockMap };
  Place place = Place::kCgroup;
  std::string path = {};      // of the cgroup's folder or the namespace's file
  std::uint32_t id = 0;       // of the map; the interface's index
  bool is_effective = false;  // of a cgroup: the programs that run in it, those of its ancestors too
};

struct AttachedProgram {
  std::uint32_t program_id = 0;
  std::uint32_t link_id = 0;  // 0: attached without a link, or the kernel does not tell
  std::uint32_t flags = 0;    // BPF_F_ALLOW_MULTI, ... of a cgroup's program
  bool operator==(const AttachedProgram&) const = default;
};

struct AttachedPrograms {
  std::vector<AttachedProgram> programs;  // in the order in which they run
  std::uint32_t flags = 0;                // of the place: how a cgroup takes programs (BPF_F_ALLOW_*)
  std::uint64_t revision = 0;             // of the order, where the kernel counts it; 0 elsewhere
};

// Holds a program attached; destroying it detaches.
class STRATA_EXPORT BackendLink {
 public:
  virtual ~BackendLink() = default;
  virtual std::uint32_t id() const = 0;
  virtual Result<void> Detach() = 0;
  virtual Result<void> SetEnabled(bool enabled) = 0;
  // Per process where the backend knows it; empty in the kernel.
  virtual Result<std::vector<LinkInstance>> Instances() = 0;

  // The following are kNotSupported where a backend or a kind of link has nothing like it.
  virtual Result<LinkInfo> Info();
  // Puts another program in place, without an event in between that neither sees. With `expected` only where that one
  // is attached now, kBusy otherwise.
  virtual Result<void> Update(const std::shared_ptr<BackendProgram>& program,
                              const std::shared_ptr<BackendProgram>& expected);
  // Keeps the link attached when this process ends; a path in a BPF file system.
  virtual Result<void> Pin(const std::string& path);
  // The same for a struct_ops map, which has been filled.
  virtual Result<void> UpdateStructOps(const std::shared_ptr<BackendMap>& map,
                                       const std::shared_ptr<BackendMap>& expected);
  // What an iterator program writes, to be read to the end; a new pass over the objects with each call.
  virtual Result<UniqueFd> OpenIterator();
};

// Lines written by bpf_printk.
class STRATA_EXPORT TraceLog {
 public:
  virtual ~TraceLog() = default;
  virtual int poll_descriptor() const = 0;
  // Hands each line that is there to `on_line`, without its newline, and returns.
  virtual Result<void> Drain(const std::function<void(std::string_view line)>& on_line) = 0;
  // Lines that found no room since the log exists; 0 in the kernel, which says so in between the lines.
  virtual std::uint64_t lost_count() const { return 0; }
};

// How a process that a link selects gets the code that serves it (userspace only).
enum class AgentPolicy : std::uint8_t {
  kExpect,   // it has an agent or will get one when it starts; do not wait for it
  kRequire,  // wait until it answers, bounded; an error when it has none
};

struct BackendAttachOptions {
  AgentPolicy agent = AgentPolicy::kRequire;
};

// What statistics cost: counting runs is cheap, timing them reads a clock twice a run.
enum class StatsDetail : std::uint8_t { kCount, kTime };

// Turned on while it lives; for programs attached meanwhile.
class STRATA_EXPORT StatsGuard {
 public:
  virtual ~StatsGuard() = default;
};

// What every backend checks before it attaches: kInvalidArgument where the program's type is not the kind's. The size
// of the target's record is checked where it is decoded (DecodeConfig).
STRATA_EXPORT Result<void> CheckAttachKind(const AttachTarget& target, const ProgramInfo& program);

// Thread-safe. Everything made from a backend must keep it alive: use std::shared_ptr<Backend> and its
// shared_from_this().
class STRATA_EXPORT Backend : public std::enable_shared_from_this<Backend> {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  // Whether programs run where the kernel's own variables and functions are (kfuncs, fentry, struct_ops).
  virtual bool runs_in_kernel() const = 0;

  // `types` is the collection's BTF, for key and value types; null for none. In the specification of a struct_ops map
  // value_type is the wrapper's id in the kernel's BTF ("struct bpf_struct_ops_X"). Inner maps are described by the
  // template in MapSpec::inner; initial contents and slots are the caller's.
  virtual Result<std::shared_ptr<BackendMap>> CreateMap(const MapSpec& spec,
                                                        const std::shared_ptr<BackendTypes>& types) = 0;
  // The bytes of a .BTF section, fixed up for loading.
  virtual Result<std::shared_ptr<BackendTypes>> LoadTypes(std::span<const std::byte> btf) = 0;
  // kVerifierRejected carries the verifier's log in Error::log().
  virtual Result<std::shared_ptr<BackendProgram>> LoadProgram(const LinkedProgram& program) = 0;
  // A program that exists already, whoever made it: kNotFound, kNotSupported; kInvalidArgument for a path of something
  // else.
  virtual Result<std::shared_ptr<BackendProgram>> OpenProgram(std::uint32_t id);
  virtual Result<std::shared_ptr<BackendProgram>> OpenPinnedProgram(const std::string& path);
  // Whether programs that run outside of the kernel may call a function by that name, the runtime's own or one that a
  // process of the session serves. kInvalidArgument where its prototype is another than that of `declared`, a FUNC of
  // `types`.
  virtual Result<bool> HasFunction(const std::string& name, const btf::Btf& types, btf::TypeId declared);
  // Lets programs call it in this process. kInvalidArgument (EEXIST) where another process of the session serves one of
  // another prototype by that name, or the runtime has one; kNotSupported in the kernel.
  virtual Result<std::unique_ptr<HostFunctionGuard>> ServeFunction(const HostFunction& function);
  // Whether the program's links run it, whoever made them; those made meanwhile too. The links' own state stays.
  // kNotFound; kNotSupported in the kernel.
  virtual Result<void> SetProgramEnabled(std::uint32_t id, bool is_enabled);
  // Whether the backend can do that. Answers that are sure are kept, others asked for again.
  virtual FeatureAnswer Probe(const Feature& feature);
  virtual Result<std::unique_ptr<BackendLink>> Attach(const std::shared_ptr<BackendProgram>& program,
                                                      const AttachTarget& target,
                                                      const BackendAttachOptions& options) = 0;
  // Maps that exist already, whoever made them: kNotFound, kNotSupported; kInvalidArgument for another kind of object.
  virtual Result<std::shared_ptr<BackendMap>> OpenMap(std::uint32_t id);
  virtual Result<std::shared_ptr<BackendMap>> OpenPinnedMap(const std::string& path, MapAccess access);
  // The file system's path of a pin, to be renamed and removed there: the kernel's is itself, in userspace paths may be
  // relative to the session's folder of pins. kInvalidArgument for a place where no pin can be.
  virtual Result<std::string> PinPath(const std::string& path) const;
  // The descriptor stays the caller's.
  virtual Result<std::shared_ptr<BackendMap>> MapFromDescriptor(int descriptor);
  // A link that exists already, whoever made it: kNotFound, kNotSupported.
  virtual Result<std::unique_ptr<BackendLink>> OpenLink(std::uint32_t id);
  virtual Result<std::unique_ptr<BackendLink>> OpenPinnedLink(const std::string& path);
  // Registers a struct_ops map that has been filled and is made for a link. kNotSupported where nothing is in a kernel.
  virtual Result<std::unique_ptr<BackendLink>> AttachStructOps(const std::shared_ptr<BackendMap>& map);
  // What is attached to a place by one attach type, whoever did it.
  virtual Result<AttachedPrograms> Query(const QueryTarget& target, AttachType attach_type);
  virtual Result<std::unique_ptr<TraceLog>> OpenTraceLog() = 0;
  virtual Result<std::unique_ptr<StatsGuard>> EnableStats(StatsDetail detail) = 0;
  virtual Result<ObjectListing> List() = 0;
  // The BTF of a map or program, whoever loaded it: kNotFound, kNotSupported.
  virtual Result<std::shared_ptr<const btf::Btf>> ReadTypes(std::uint32_t id);
  // Values of a per-CPU element.
  virtual std::uint32_t possible_cpus() const = 0;
  // The kernel below, whose types, configuration and symbols objects refer to.
  const KernelFacts& kernel() const { return kernel_; }
  // Name and value of each environment variable that a new process needs to be seen by this backend (the agent's); none
  // for the kernel.
  virtual std::vector<std::pair<std::string, std::string>> TracedEnvironment() const = 0;

 private:
  KernelFacts kernel_;
};

}  // namespace strata
