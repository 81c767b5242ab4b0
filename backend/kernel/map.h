// A map of the kernel.
#pragma once

#include <atomic>
#include <string>
#include <utility>

#include "context.h"
#include "strata/backend/backend.h"
#include "types.h"

namespace strata::kernel {

// The kernel's record as the seam's; `name` is the full one where we know it.
MapInfo MakeMapInfo(const MapInfoRecord& record, std::string name, std::uint32_t possible_cpus);

class KernelMap final : public BackendMap {
 public:
  static Result<std::shared_ptr<BackendMap>> Create(const ContextPtr& context, const MapSpec& spec,
                                                    const KernelTypes* types);
  // A map that exists; `what` starts the text of errors.
  static Result<std::shared_ptr<BackendMap>> Adopt(const ContextPtr& context, UniqueFd fd, const std::string& what);

  int fd() const { return fd_.get(); }
  const MapInfo& info() const override { return info_; }
  Result<bool> Lookup(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<void> Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode mode) override;
  Result<bool> Delete(std::span<const std::byte> key) override;
  Result<bool> LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<bool> LookupLocked(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<bool> LookupAndDeleteLocked(std::span<const std::byte> key, std::span<std::byte> value) override;
  BatchResult LookupBatch(BatchCursor& cursor, BatchAction action, std::span<std::byte> keys,
                          std::span<std::byte> values, LookupMode mode) override;
  BatchResult UpdateBatch(std::span<const std::byte> keys, std::span<const std::byte> values, UpdateMode mode) override;
  BatchResult DeleteBatch(std::span<const std::byte> keys) override;
  Result<bool> NextKey(std::optional<std::span<const std::byte>> key, std::span<std::byte> next) override;
  Result<void> UpdateProgram(std::span<const std::byte> key, const std::shared_ptr<BackendProgram>& program) override;
  Result<void> UpdateMap(std::span<const std::byte> key, const std::shared_ptr<BackendMap>& map) override;
  Result<void> UpdateStructOps(std::span<const std::byte> value, std::span<const ProgramPointer> programs) override;
  Result<void> Freeze() override;
  Result<std::unique_ptr<MapMemory>> Memory() override;
  Result<std::unique_ptr<RingMemory>> Ring() override;
  Result<std::unique_ptr<UserRingMemory>> UserRing() override;  // user_ring.cc
  Result<std::vector<std::uint32_t>> PerfCpus() override;       // perf_buffer.cc
  Result<std::unique_ptr<PerfMemory>> PerfBuffer(std::uint32_t cpu, const PerfBufferOptions&) override;
  Result<MapState> State() override;
  Result<void> Pin(const std::string& path) override;

 private:
  KernelMap(ContextPtr context, UniqueFd fd, MapInfo info)
      : context_(std::move(context)), fd_(std::move(fd)), info_(std::move(info)) {}
  // 0 or an errno.
  int Element(Command command, const std::byte* key, const void* value, std::uint64_t flags = 0) const;
  Result<bool> Find(Command command, std::span<const std::byte> key, std::span<std::byte> value, std::uint64_t flags,
                    std::string_view operation) const;
  Error Failed(int sys_errno, std::string_view operation) const;
  std::string_view WhyClosed() const;
  BatchResult ChangeBatch(Command command, std::span<const std::byte> keys, std::span<const std::byte> values,
                          UpdateMode mode);
  // Whether this kernel was seen to have no batches for this kind of map.
  bool HasNoBatch(BatchAction action) const { return (missing_batches_.load() & Bit(action)) != 0; }
  void NoteNoBatch(BatchAction action) { missing_batches_.fetch_or(Bit(action)); }
  static unsigned Bit(BatchAction action) { return 1U << static_cast<unsigned>(action); }
  Result<void> UpdateDescriptor(std::span<const std::byte> key, int descriptor, std::string_view what);
  Result<std::unique_ptr<MapMemory>> ArenaMemory();

  ContextPtr context_;
  UniqueFd fd_;
  MapInfo info_;
  std::atomic<unsigned> missing_batches_{0};  // bits of BatchAction
};

}  // namespace strata::kernel
