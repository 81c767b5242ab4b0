// The userspace backend's objects. Private to this layer.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "registry.h"
#include "strata/backend/backend.h"
#include "strata/backend/userspace/runtime/host_functions.h"
#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/session_view.h"
#include "strata/backend/userspace/userspace_backend.h"
#include "strata/base/owner_process.h"
#include "strata/btf/btf.h"
#include "timer_server.h"

namespace strata::userspace {

inline constexpr int kNotSupportedErrno = 524;  // ENOTSUPP, the kernel's own

// What the objects of one backend share; each holds it, so that the session outlives them.
struct Shared {
  UserspaceOptions options;
  std::uint32_t possible_cpus = 1;
  std::unique_ptr<Session> session;
  std::mutex local_mutex;
  runtime::HostFunctions host_functions{};  // changed under the session's mutex; before `local_process`
  // Of functions that are not served any more: who looks one up takes no lock. Guarded by the session's mutex.
  std::vector<std::unique_ptr<runtime::HostFunctionEntry>> retired_functions;
  std::unique_ptr<LocalProcess> local_process;  // guarded by local_mutex; before `session` in destruction
  std::shared_mutex runs;                       // held by runs of programs in this process, shared

  // Brings the caller's own process up to date, if programs are or shall be attached in it.
  Result<void> ReconcileLocally(bool is_selected);
};
using SharedPtr = std::shared_ptr<Shared>;

class UserspaceProgram;

// A collection's BTF as an object of the session.
class UserspaceTypes : public BackendTypes {
 public:
  static Result<std::shared_ptr<BackendTypes>> Load(SharedPtr shared, std::span<const std::byte> bytes);
  ~UserspaceTypes() override;
  const btf::Btf& types() const { return *types_; }
  std::uint32_t id() const { return id_; }

 private:
  UserspaceTypes(SharedPtr shared, ObjectFile file, std::uint32_t id, std::shared_ptr<const btf::Btf> types)
      : shared_(std::move(shared)), file_(std::move(file)), id_(id), types_(std::move(types)) {}

  SharedPtr shared_;
  ObjectFile file_;
  std::uint32_t id_;
  std::shared_ptr<const btf::Btf> types_;
};

class PerfWatcher;  // perf_memory.cc

// btf-<id> of the session: kNotFound; kMalformed for a damaged file.
Result<std::shared_ptr<const btf::Btf>> ReadTypes(const Session& session, std::uint32_t id);
Result<TypesInfo> ReadTypesInfo(const Session& session, const std::string& name);

// A map's file and view. Handles of the map hold it, and what uses or contains the map.
struct MapObject {
  MapObject(SharedPtr owner, ObjectFile object_file, runtime::MapView* map_view)
      : shared(std::move(owner)), file(std::move(object_file)), view(map_view) {}
  ~MapObject();
  MapObject(const MapObject&) = delete;
  MapObject& operator=(const MapObject&) = delete;

  SharedPtr shared;
  ObjectFile file;
  runtime::MapView* view;
  // Of a prog array. Counts a handle of it; DropHandle() says whether no handle and no pin is left, in any process.
  void TakeHandle() const;
  bool DropHandle() const;

  // What this loader put into a map that holds objects, by key: kept as long as it is there.
  std::mutex held_mutex;
  std::map<std::string, std::shared_ptr<void>> held;
};

// A program's file, with the maps that it needs. Handles of the program hold it, and prog arrays that it is in: these
// must hold no handle, or programs that use the array that they are in would keep one another.
struct ProgramObject {
  ProgramObject(SharedPtr owner, ObjectFile object_file, std::vector<std::shared_ptr<MapObject>> used_maps)
      : shared(std::move(owner)), file(std::move(object_file)), maps(std::move(used_maps)) {}
  ~ProgramObject();
  ProgramObject(const ProgramObject&) = delete;
  ProgramObject& operator=(const ProgramObject&) = delete;

  SharedPtr shared;
  ObjectFile file;
  std::uint32_t id = 0;
  std::vector<std::shared_ptr<MapObject>> maps;
};

class UserspaceMap : public BackendMap, public std::enable_shared_from_this<UserspaceMap> {
 public:
  // `types` is the collection's BTF; null for none.
  static Result<std::shared_ptr<BackendMap>> Create(SharedPtr shared, const MapSpec& spec, const UserspaceTypes* types);
  // One that exists: `file` is its own, locked.
  static Result<std::shared_ptr<BackendMap>> Open(SharedPtr shared, ObjectFile file, MapAccess access);
  ~UserspaceMap() override;

  const MapInfo& info() const override { return info_; }
  Result<bool> Lookup(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<void> Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode mode) override;
  Result<bool> Delete(std::span<const std::byte> key) override;
  Result<bool> LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<bool> LookupLocked(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<bool> LookupAndDeleteLocked(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<bool> NextKey(std::optional<std::span<const std::byte>> key, std::span<std::byte> next) override;
  Result<void> UpdateProgram(std::span<const std::byte> key, const std::shared_ptr<BackendProgram>& program) override;
  Result<void> UpdateMap(std::span<const std::byte> key, const std::shared_ptr<BackendMap>& map) override;
  Result<void> Freeze() override;
  Result<std::unique_ptr<MapMemory>> Memory() override;
  Result<std::unique_ptr<RingMemory>> Ring() override;
  Result<std::unique_ptr<UserRingMemory>> UserRing() override;
  Result<std::vector<std::uint32_t>> PerfCpus() override;
  Result<std::unique_ptr<PerfMemory>> PerfBuffer(std::uint32_t cpu, const PerfBufferOptions& options) override;
  Result<MapState> State() override;
  Result<void> Pin(const std::string& path) override;

  const runtime::MapView& view() const { return *view_; }
  runtime::MapView& view() { return *view_; }
  const Shared* shared() const { return object_->shared.get(); }
  const std::shared_ptr<MapObject>& object() const { return object_; }

 private:
  UserspaceMap(std::shared_ptr<MapObject> object, MapAccess access);
  Error Failed(long error, std::string_view operation) const;
  // What this handle may not do.
  Error ClosedTo(std::string_view operation, std::string_view why) const;
  Result<void> CheckSizes(std::span<const std::byte> key, std::size_t value_size, std::string_view operation) const;
  bool IsFrozen() const;
  Result<UniqueFd> LockForWriting() const;
  Result<bool> LookupWith(std::span<const std::byte> key, std::span<std::byte> value, LookupMode mode);
  Result<bool> TakeWith(std::span<const std::byte> key, std::span<std::byte> value, LookupMode mode);
  std::shared_ptr<PerfWatcher> Watcher();
  Result<void> CheckReadable(std::string_view operation) const;
  Result<void> CheckWritable(std::string_view operation) const;
  Result<void> Hold(std::span<const std::byte> key, std::uint32_t id, std::shared_ptr<void> held);
  void Drop(std::span<const std::byte> key);
  void EmptyPrograms();
  void LetResolvedGo();

  std::shared_ptr<MapObject> object_;
  runtime::MapView* view_;  // object_'s
  MapAccess access_;
  OwnerProcess owner_;
  MapInfo info_;
  std::unique_ptr<TimerServer> timers_;  // of a map whose values hold a timer
  std::mutex watcher_mutex_;
  std::weak_ptr<PerfWatcher> watcher_;  // guarded by watcher_mutex_: of the perf buffers that are open
};

// What programs that share a prog array have in common.
struct TailCallTraits {
  ProgramType type = ProgramType::kUnspec;
  AttachType attach_type = AttachType::kNone;
  bool overrides_return = false;  // calls bpf_override_return: in no prog array
};

// Whether such a program may use the array or be in it, as the first one decided (bpf_prog_map_compatible).
bool ClaimProgArray(runtime::MapView& array, const TailCallTraits& program);

MapInfo MakeMapInfo(const runtime::MapHeader& header);
// The map whose file a descriptor is, with what the descriptor may do; it stays the caller's.
Result<std::shared_ptr<BackendMap>> MapFromDescriptor(SharedPtr shared, int descriptor);

class UserspaceProgram : public BackendProgram {
 public:
  static Result<std::shared_ptr<BackendProgram>> Load(SharedPtr shared, const LinkedProgram& program,
                                                      isa::TagHash tag_hash, const KernelFacts& kernel);
  // One that exists: `file` is its own, locked.
  static Result<std::shared_ptr<BackendProgram>> Open(SharedPtr shared, ObjectFile file);
  ~UserspaceProgram() override;

  const ProgramInfo& info() const override { return info_; }
  Result<ProgramStats> Stats() override;
  Result<ProgramCode> Code() override;
  Result<std::uint64_t> MemoryBytes() override;
  Result<void> Pin(const std::string& path) override;
  Result<TestRunResult> TestRun(const TestRunOptions& options) override;

  const SharedPtr& shared() const { return shared_; }
  const std::shared_ptr<ProgramObject>& object() const { return object_; }
  const TailCallTraits& tail_call_traits() const { return tail_call_traits_; }
  // The counters of a link of this program, as long as it lives; what it counted stays.
  void AddLink(const runtime::LinkView* link);
  enum class LinkFate : std::uint8_t { kStays, kGone };
  void RemoveLink(const runtime::LinkView* link, LinkFate fate);

 private:
  UserspaceProgram(std::shared_ptr<ProgramObject> object, ProgramInfo info,
                   std::vector<std::shared_ptr<BackendMap>> maps, const TailCallTraits& tail_call_traits);
  // Of this process, made when it is first asked for.
  Result<runtime::ProgramInstance*> Instance();
  void ReleaseInstance();

  std::shared_ptr<ProgramObject> object_;
  SharedPtr shared_;  // object_'s
  ProgramInfo info_;
  std::vector<std::shared_ptr<BackendMap>> maps_;  // a prog array is emptied when nobody has a handle of it
  TailCallTraits tail_call_traits_;
  runtime::ProgramInstance* instance_ = nullptr;  // guarded by the session's mutex
  std::mutex mutex_;
  std::vector<const runtime::LinkView*> links_;  // guarded by mutex_
};

// From a program's file. kMalformed where it is not one of that id.
Result<ProgramInfo> ReadProgramInfo(int fd, std::uint32_t id);
bool IsGplCompatible(std::string_view licence);

Result<std::unique_ptr<BackendLink>> AttachProgram(const SharedPtr& shared,
                                                   const std::shared_ptr<BackendProgram>& program,
                                                   const AttachTarget& target, const BackendAttachOptions& options);
// A link that exists: `file` is its own, locked.
Result<std::unique_ptr<BackendLink>> OpenLink(SharedPtr shared, ObjectFile file, std::uint32_t id, bool is_detached);
// From the whole of a link's file. kMalformed.
Result<LinkInfo> MakeLinkInfo(std::span<const std::byte> file, std::uint32_t id);

Result<std::unique_ptr<StatsGuard>> EnableStats(SharedPtr shared, StatsDetail detail);
// The link_flags that somebody's guard asks for now.
std::uint32_t StatsFlags(const Session& session);

// Whether links of the program run it; kNotFound for an id that no live program has.
Result<void> SetProgramEnabled(const SharedPtr& shared, std::uint32_t id, bool is_enabled);
Result<bool> IsProgramDisabled(const Session& session, std::uint32_t id);

// As Backend::HasFunction and ServeFunction.
Result<bool> HasFunction(const Session& session, const std::string& name, const btf::Btf& types, btf::TypeId declared);
Result<std::unique_ptr<HostFunctionGuard>> ServeFunction(const SharedPtr& shared, const HostFunction& function);

// The reader's side of a ring's view, which must outlive it.
std::unique_ptr<RingMemory> MakeRingMemory(std::shared_ptr<void> keep_alive, runtime::MapView& ring);

Result<std::unique_ptr<TraceLog>> OpenTraceLog(SharedPtr shared);

Result<ObjectListing> ListObjects(const Session& session);

FeatureAnswer ProbeFeature(const UserspaceOptions& options, const Feature& feature);

// Nanoseconds that a difference of the time stamp counter stands for.
std::uint64_t TicksToNanoseconds(std::uint64_t ticks);

}  // namespace strata::userspace
