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

namespace strata::userspace {

// What the objects of one backend share; each holds it, so that the session outlives them.
struct Shared {
  UserspaceOptions options;
  std::uint32_t possible_cpus = 1;
  std::unique_ptr<Session> session;
  std::mutex local_mutex;
  std::unique_ptr<LocalProcess> local_process;  // guarded by local_mutex; before `session` in destruction
  std::atomic<std::uint32_t> counting{0};       // stats guards alive, by detail
  std::atomic<std::uint32_t> timing{0};

  // Brings the caller's own process up to date, if programs are or shall be attached in it.
  Result<void> ReconcileLocally(bool is_selected);
};
using SharedPtr = std::shared_ptr<Shared>;

class UserspaceTypes : public BackendTypes {
 public:
  explicit UserspaceTypes(std::shared_ptr<const btf::Btf> types) : types_(std::move(types)) {}
  const btf::Btf& types() const { return *types_; }

 private:
  std::shared_ptr<const btf::Btf> types_;
};

class UserspaceMap : public BackendMap, public std::enable_shared_from_this<UserspaceMap> {
 public:
  // `types` is the collection's BTF; null for none.
  static Result<std::shared_ptr<BackendMap>> Create(SharedPtr shared, const MapSpec& spec, const btf::Btf* types);
  ~UserspaceMap() override;

  const MapInfo& info() const override { return info_; }
  Result<bool> Lookup(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<void> Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode mode) override;
  Result<bool> Delete(std::span<const std::byte> key) override;
  Result<bool> LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<bool> LookupLocked(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<bool> LookupAndDeleteLocked(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<bool> NextKey(std::optional<std::span<const std::byte>> key, std::span<std::byte> next) override;
  Result<void> Freeze() override;
  Result<std::unique_ptr<MapMemory>> Memory() override;
  Result<std::unique_ptr<RingMemory>> Ring() override;
  Result<MapState> State() override;

  const runtime::MapView& view() const { return *view_; }
  runtime::MapView& view() { return *view_; }
  const Shared* shared() const { return shared_.get(); }

 private:
  UserspaceMap(SharedPtr shared, ObjectFile file, runtime::MapView* view);
  Error Failed(long error, std::string_view operation) const;
  Result<void> CheckSizes(std::span<const std::byte> key, std::size_t value_size, std::string_view operation) const;
  Result<UniqueFd> LockForWriting() const;
  Result<bool> LookupWith(std::span<const std::byte> key, std::span<std::byte> value, LookupMode mode);
  Result<bool> TakeWith(std::span<const std::byte> key, std::span<std::byte> value, LookupMode mode);
  Result<void> CheckReadable(std::string_view operation) const;
  Result<void> CheckWritable(std::string_view operation) const;

  SharedPtr shared_;
  ObjectFile file_;
  runtime::MapView* view_;
  MapInfo info_;
};

MapInfo MakeMapInfo(const runtime::MapHeader& header);

class UserspaceProgram : public BackendProgram {
 public:
  static Result<std::shared_ptr<BackendProgram>> Load(SharedPtr shared, const LinkedProgram& program,
                                                      isa::TagHash tag_hash);
  ~UserspaceProgram() override;

  const ProgramInfo& info() const override { return info_; }
  Result<ProgramStats> Stats() override;
  Result<TestRunResult> TestRun(const TestRunOptions& options) override;

  const SharedPtr& shared() const { return shared_; }
  // The counters of a link of this program, as long as it lives; what it counted stays.
  void AddLink(const runtime::LinkView* link);
  void RemoveLink(const runtime::LinkView* link);

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
  runtime::LinkCounters detached_{};             // guarded by mutex_: sums of links that are gone
};

ProgramInfo MakeProgramInfo(const runtime::ProgramHeader& header);

Result<std::unique_ptr<BackendLink>> AttachProgram(const SharedPtr& shared,
                                                   const std::shared_ptr<BackendProgram>& program,
                                                   const AttachTarget& target, const BackendAttachOptions& options);

// The reader's side of a ring's view, which must outlive it.
std::unique_ptr<RingMemory> MakeRingMemory(std::shared_ptr<void> keep_alive, runtime::MapView& ring);

Result<std::unique_ptr<TraceLog>> OpenTraceLog(SharedPtr shared);

Result<ObjectListing> ListObjects(const Session& session);

FeatureAnswer ProbeFeature(const UserspaceOptions& options, const Feature& feature);

// Nanoseconds that a difference of the time stamp counter stands for.
std::uint64_t TicksToNanoseconds(std::uint64_t ticks);

}  // namespace strata::userspace
