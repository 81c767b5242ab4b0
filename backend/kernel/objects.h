// The kernel's objects, each a descriptor behind one of the seam's interfaces.
#pragma once

#include <memory>
#include <string>

#include "strata/backend/backend.h"
#include "strata/base/unique_fd.h"

struct bpf_map_info;
struct bpf_prog_info;

namespace strata::kernel {

// A name as the kernel takes it: at most 15 of [A-Za-z0-9_.].
std::string ObjectName(std::string_view name);

// Explains an errno of bpf(2): a missing privilege is named with its remedy, after having been looked up, never by a
// guess.
Error BpfError(int sys_errno, std::string what);

// One of libbpf's option structs, empty. (LIBBPF_OPTS is C99, and no C++.)
template <typename Options>
Options EmptyOptions() {
  Options options{};
  options.sz = sizeof(options);
  return options;
}

// The kernel's records as the seam's; `name` is the full one where we know it.
MapInfo MakeMapInfo(const bpf_map_info& info, std::string name, std::uint32_t possible_cpus);
ProgramInfo MakeProgramInfo(const bpf_prog_info& info, std::string name);

class KernelTypes : public BackendTypes {
 public:
  explicit KernelTypes(UniqueFd fd) : fd_(std::move(fd)) {}
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

class KernelMap : public BackendMap {
 public:
  static Result<std::shared_ptr<BackendMap>> Create(const MapSpec& spec, const KernelTypes* types,
                                                    std::uint32_t possible_cpus);

  int fd() const { return fd_.get(); }
  const MapInfo& info() const override { return info_; }
  Result<bool> Lookup(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<void> Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode mode) override;
  Result<bool> Delete(std::span<const std::byte> key) override;
  Result<bool> LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value) override;
  Result<bool> NextKey(std::optional<std::span<const std::byte>> key, std::span<std::byte> next) override;
  Result<void> UpdateProgram(std::span<const std::byte> key, const std::shared_ptr<BackendProgram>& program) override;
  Result<void> UpdateMap(std::span<const std::byte> key, const std::shared_ptr<BackendMap>& map) override;
  Result<void> UpdateStructOps(std::span<const std::byte> value, std::span<const ProgramPointer> programs) override;
  Result<void> Freeze() override;
  Result<std::unique_ptr<MapMemory>> Memory() override;
  Result<std::unique_ptr<RingMemory>> Ring() override;

 private:
  KernelMap(UniqueFd fd, MapInfo info, std::uint64_t map_extra)
      : fd_(std::move(fd)), info_(std::move(info)), map_extra_(map_extra) {}
  Error Failed(int sys_errno, std::string_view operation) const;
  Result<void> UpdateDescriptor(std::span<const std::byte> key, int descriptor, std::string_view what);
  Result<std::unique_ptr<MapMemory>> ArenaMemory();

  UniqueFd fd_;
  MapInfo info_;
  std::uint64_t map_extra_;  // of an arena: where it shall be mapped
};

class KernelProgram : public BackendProgram {
 public:
  static Result<std::shared_ptr<BackendProgram>> Load(const LinkedProgram& program);

  int fd() const { return fd_.get(); }
  const ProgramInfo& info() const override { return info_; }
  Result<ProgramStats> Stats() override;
  std::string_view log() const override { return log_; }

 private:
  KernelProgram(UniqueFd fd, ProgramInfo info, std::string log)
      : fd_(std::move(fd)), info_(std::move(info)), log_(std::move(log)) {}
  UniqueFd fd_;
  ProgramInfo info_;
  std::string log_;
};

// One row per attach kind that the kernel backend serves.
struct AttachRow {
  std::string_view kind;
  Result<std::unique_ptr<BackendLink>> (*attach)(const std::shared_ptr<KernelProgram>& program,
                                                 const AttachTarget& target);
};
std::span<const AttachRow> AttachRows();

Result<std::unique_ptr<TraceLog>> OpenTracePipe();

}  // namespace strata::kernel
