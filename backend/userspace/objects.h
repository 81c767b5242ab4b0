// The userspace backend's objects. Private to this layer.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "registry.h"
#include "strata/backend/backend.h"
#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/session_view.h"
#include "strata/backend/userspace/userspace_backend.h"
#include "strata/btf/btf.h"
#include "timer_server.h"

namespace strata::userspace {

// What the objects of one backend share; each holds it, so that the session outlives them.
struct Shared {
  UserspaceOptions options;
  std::uint32_t possible_cpus = 1;
  std::unique_ptr<Session> session;
  std::mutex local_mutex;
  std::unique_ptr<LocalProcess> local_process;  // guarded by local_mutex; before `session` in destruction

  // Brings the caller's own process up to date, if programs are or shall be attached in it.
  Result<void> ReconcileLocally(bool is_selected);
};
using SharedPtr = std::shared_ptr<Shared>;

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

// btf-<id> of the session: kNotFound; kMalformed for a damaged file.
Result<std::shared_ptr<const btf::Btf>> ReadTypes(const Session& session, std::uint32_t id);
Result<TypesInfo> ReadTypesInfo(const Session& session, const std::string& name);

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
  Result<bool> NextKey(std::optional<std::span<const std::byte>> key, std::span<std::byte> next) override;
  Result<void> Freeze() override;
  Result<std::unique_ptr<MapMemory>> Memory() override;
  Result<std::unique_ptr<RingMemory>> Ring() override;
  Result<MapState> State() override;
  Result<void> Pin(const std::string& path) override;

  const runtime::MapView& view() const { return *view_; }
  runtime::MapView& view() { return *view_; }
  const Shared* shared() const { return shared_.get(); }
  void ReleaseWritableMemory() { writable_memories_.fetch_sub(1); }

 private:
  UserspaceMap(SharedPtr shared, ObjectFile file, runtime::MapView* view, MapAccess access);
  Error Failed(long error, std::string_view operation) const;
  Result<void> CheckSizes(std::span<const std::byte> key, std::size_t value_size, std::string_view operation) const;
  Result<void> CheckReadable(std::string_view operation) const;
  Result<void> CheckWritable(std::string_view operation) const;

  SharedPtr shared_;
  ObjectFile file_;
  runtime::MapView* view_;
  MapAccess access_;
  MapInfo info_;
  std::atomic<int> writable_memories_{0};
  std::unique_ptr<TimerServer> timers_;  // of a map whose values hold a timer
};

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
  // The counters of a link of this program, as long as it lives; what it counted stays.
  void AddLink(const runtime::LinkView* link);
  enum class LinkFate : std::uint8_t { kStays, kGone };
  void RemoveLink(const runtime::LinkView* link, LinkFate fate);

 private:
  UserspaceProgram(SharedPtr shared, ObjectFile file, ProgramInfo info, std::vector<std::shared_ptr<BackendMap>> maps);
  // Of this process, made when it is first asked for.
  Result<runtime::ProgramInstance*> Instance();
  void ReleaseInstance();

  SharedPtr shared_;
  ObjectFile file_;
  ProgramInfo info_;
  std::vector<std::shared_ptr<BackendMap>> maps_;
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

// The reader's side of a ring's view, which must outlive it.
std::unique_ptr<RingMemory> MakeRingMemory(std::shared_ptr<void> keep_alive, runtime::MapView& ring);

Result<std::unique_ptr<TraceLog>> OpenTraceLog(SharedPtr shared);

Result<ObjectListing> ListObjects(const Session& session);

FeatureAnswer ProbeFeature(const UserspaceOptions& options, const Feature& feature);

// Nanoseconds that a difference of the time stamp counter stands for.
std::uint64_t TicksToNanoseconds(std::uint64_t ticks);

}  // namespace strata::userspace
