#include "map.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fd_info.h"
#include "map_create.h"
#include "mapping.h"
#include "program.h"
#include "strata/backend/map_errors.h"
#include "strata/spec/map_rules.h"
#include "strata/spec/type_names.h"

namespace strata::kernel {
namespace {

class KernelMapMemory : public MapMemory {
 public:
  KernelMapMemory(Mapping mapping, std::size_t size, bool read_only)
      : mapping_(std::move(mapping)), size_(size), read_only_(read_only) {}
  std::span<std::byte> bytes() override { return {mapping_.data(), size_}; }
  bool is_read_only() const override { return read_only_; }

 private:
  Mapping mapping_;
  std::size_t size_;
  bool read_only_;
};

// kernel/bpf/ringbuf.c: page 0 is the consumer's, page 1 the producer's, then the data twice.
class KernelRingMemory : public RingMemory {
 public:
  KernelRingMemory(UniqueFd fd, Mapping consumer, Mapping producer, std::size_t size)
      : fd_(std::move(fd)), consumer_(std::move(consumer)), producer_(std::move(producer)), size_(size) {}
  std::uint64_t* consumer_position() override { return reinterpret_cast<std::uint64_t*>(consumer_.data()); }
  const std::uint64_t* producer_position() override { return reinterpret_cast<const std::uint64_t*>(producer_.data()); }
  const std::byte* data() override { return producer_.data() + ::sysconf(_SC_PAGESIZE); }
  std::size_t size_bytes() const override { return size_; }
  int poll_descriptor() const override { return fd_.get(); }
  void Rearm() override {}  // readiness of the map's descriptor is level-triggered
  std::uint64_t dropped() const override { return 0; }

 private:
  UniqueFd fd_;
  Mapping consumer_;
  Mapping producer_;
  std::size_t size_;
};

// What the kernel copies in and out as a key: none at all where a kind has no keys.
const std::byte* KeyOrNull(std::span<const std::byte> key) { return key.empty() ? nullptr : key.data(); }

Result<MapInfoRecord> ReadRecord(const Context& context, int fd, const std::string& what) {
  MapInfoRecord record;
  const int error = context.Info(fd, record);
  if (error == 0) return record;
  if (const auto known = MapRecordOfFdInfo(ReadFdInfo(fd))) return *known;  // before Linux 4.13
  return BpfError(error, what + ": reading its info");
}

}  // namespace

MapInfo MakeMapInfo(const MapInfoRecord& info, std::string name, std::uint32_t possible_cpus) {
  MapInfo result;
  result.id = info.id;
  result.name = std::move(name);
  result.type = static_cast<MapType>(info.type);
  result.key_size = info.key_size;
  result.value_size = info.value_size;
  result.max_entries = info.max_entries;
  result.flags = info.map_flags;
  result.map_extra = info.map_extra;
  result.btf_id = info.btf_id;
  result.key_type_id = info.btf_key_type_id;
  result.value_type_id = info.btf_value_type_id;
  const bool is_per_cpu = HasTrait(result.type, map_traits::kPerCpu);
  result.element_size = is_per_cpu ? (info.value_size + 7) / 8 * 8 * possible_cpus : info.value_size;
  return result;
}

Result<std::shared_ptr<BackendMap>> KernelMap::Create(const ContextPtr& context, const MapSpec& spec,
                                                      const KernelTypes* types) {
  UniqueFd fd = STRATA_TRY(CreateMap(*context, spec, types));
  const MapInfoRecord record = STRATA_TRY(ReadRecord(*context, fd.get(), "map " + spec.name));
  return std::shared_ptr<BackendMap>(
      new KernelMap(context, std::move(fd), MakeMapInfo(record, spec.name, context->possible_cpus)));
}

Result<std::shared_ptr<BackendMap>> KernelMap::Adopt(const ContextPtr& context, UniqueFd fd, const std::string& what) {
  if (const std::string kind = OtherObjectKind(fd.get(), "map"); !kind.empty()) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{}: is a {}, not a map", what, kind), EINVAL);
  }
  const MapInfoRecord record = STRATA_TRY(ReadRecord(*context, fd.get(), what));
  MapInfo info = MakeMapInfo(record, record.name.data(), context->possible_cpus);
  return std::shared_ptr<BackendMap>(new KernelMap(context, std::move(fd), std::move(info)));
}

inline int KernelMap::Element(Command command, const std::byte* key, const void* value, std::uint64_t flags) const {
  ElementAttr attr;
  attr.map_fd = static_cast<std::uint32_t>(fd());
  attr.key = AddressOf(key);
  attr.value = AddressOf(value);
  attr.flags = flags;
  const long result = context_->Bpf(command, attr);
  return result < 0 ? static_cast<int>(-result) : 0;
}

Error KernelMap::Failed(int sys_errno, std::string_view operation) const {
  if (sys_errno != EPERM) return ElementError(info_, sys_errno, operation);
  const std::string what = fmt::format("map {}: {}", info_.name, operation);
  const std::string_view reason = WhyClosed();
  if (reason.empty()) return BpfError(sys_errno, what);
  return Error(ErrorCode::kPermissionDenied, fmt::format("{}: {}", what, reason), sys_errno);
}

// Why an operation that processes with all rights may not do either is refused; empty when this is not why.
std::string_view KernelMap::WhyClosed() const {
  const std::string text = ReadFdInfo(fd());
  if (FdInfoNumber(text, "frozen").value_or(0) != 0) return "it is frozen: programs alone may write it";
  const auto access = FdInfoNumber(text, "flags").value_or(O_RDWR) & O_ACCMODE;
  if (access == O_RDONLY) return "this handle may only read it";
  if (access == O_WRONLY) return "this handle may only write it";
  return {};
}

inline Result<bool> KernelMap::Find(Command command, std::span<const std::byte> key, std::span<std::byte> value,
                                    std::uint64_t flags, std::string_view operation) const {
  const int error = Element(command, KeyOrNull(key), value.data(), flags);
  if (error == 0) return true;
  if (error == ENOENT) return false;
  return Failed(error, operation);
}

Result<bool> KernelMap::Lookup(std::span<const std::byte> key, std::span<std::byte> value) {
  return Find(Command::kMapLookup, key, value, 0, "lookup");
}

Result<bool> KernelMap::LookupLocked(std::span<const std::byte> key, std::span<std::byte> value) {
  return Find(Command::kMapLookup, key, value, static_cast<std::uint64_t>(LookupMode::kLock), "lookup with lock");
}

Result<void> KernelMap::Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode mode) {
  const int error = Element(Command::kMapUpdate, KeyOrNull(key), value.data(), static_cast<std::uint64_t>(mode));
  return error == 0 ? Result<void>() : Failed(error, "update");
}

Result<bool> KernelMap::Delete(std::span<const std::byte> key) {
  return Find(Command::kMapDelete, key, {}, 0, "delete");
}

Result<bool> KernelMap::LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value) {
  return Find(Command::kMapLookupAndDelete, key, value, 0, "lookup and delete");
}

Result<bool> KernelMap::LookupAndDeleteLocked(std::span<const std::byte> key, std::span<std::byte> value) {
  return Find(Command::kMapLookupAndDelete, key, value, static_cast<std::uint64_t>(LookupMode::kLock),
              "lookup and delete with lock");
}

Result<bool> KernelMap::NextKey(std::optional<std::span<const std::byte>> key, std::span<std::byte> next) {
  const int error = Element(Command::kMapNextKey, key ? key->data() : nullptr, next.data());
  if (error == 0) return true;
  if (error == ENOENT) return false;
  return Failed(error, "next key");
}

Result<void> KernelMap::UpdateDescriptor(std::span<const std::byte> key, int descriptor, std::string_view what) {
  const int error = Element(Command::kMapUpdate, key.data(), &descriptor);
  return error == 0 ? Result<void>() : Failed(error, fmt::format("storing {}", what));
}

Result<void> KernelMap::UpdateProgram(std::span<const std::byte> key, const std::shared_ptr<BackendProgram>& program) {
  const auto* stored = dynamic_cast<const KernelProgram*>(program.get());
  if (info_.type != MapType::kProgArray || stored == nullptr) return BackendMap::UpdateProgram(key, program);
  auto result = UpdateDescriptor(key, stored->fd(), "program " + program->info().name);
  if (result || result.error().sys_errno() != EINVAL) return result;
  // kernel/bpf/core.c, bpf_prog_map_compatible: the first program decides.
  return std::move(result).Context(fmt::format(
      "program {} is of type {}, and it takes programs of one type and attach type only, those of its users{}",
      program->info().name, ProgramTypeName(program->info().type), UsersOfProgramArray(fd())));
}

Result<void> KernelMap::UpdateMap(std::span<const std::byte> key, const std::shared_ptr<BackendMap>& map) {
  const auto* stored = dynamic_cast<const KernelMap*>(map.get());
  if (!HasTrait(info_.type, map_traits::kHoldsMaps) || stored == nullptr) return BackendMap::UpdateMap(key, map);
  auto result = UpdateDescriptor(key, stored->fd(), "map " + map->info().name);
  if (result || result.error().sys_errno() != EINVAL) return result;
  return std::move(result).Context("the map differs from the template of its inner maps");
}

// The kernel reads a program's descriptor where the value has a function pointer (kernel/bpf/bpf_struct_ops.c).
Result<void> KernelMap::UpdateStructOps(std::span<const std::byte> value, std::span<const ProgramPointer> programs) {
  if (info_.type != MapType::kStructOps) return BackendMap::UpdateStructOps(value, programs);
  std::vector<std::byte> bytes(value.begin(), value.end());
  bytes.resize(info_.value_size);
  for (const ProgramPointer& pointer : programs) {
    const auto* program = dynamic_cast<const KernelProgram*>(pointer.program.get());
    const std::uint64_t descriptor = program != nullptr ? static_cast<std::uint64_t>(program->fd()) : 0;
    if (program == nullptr || bytes.size() < sizeof(descriptor) ||
        pointer.offset_bytes > bytes.size() - sizeof(descriptor)) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: no kernel program can be at byte {} of {}",
                                                            info_.name, pointer.offset_bytes, bytes.size()));
    }
    std::memcpy(bytes.data() + pointer.offset_bytes, &descriptor, sizeof(descriptor));
  }
  constexpr std::uint32_t kOnlyKey = 0;
  const int error = Element(Command::kMapUpdate, reinterpret_cast<const std::byte*>(&kOnlyKey), bytes.data());
  return error == 0 ? Result<void>() : BpfError(error, fmt::format("map {}: registering it", info_.name));
}

Result<void> KernelMap::Freeze() {
  const int error = Element(Command::kMapFreeze, nullptr, nullptr);
  return error == 0 ? Result<void>() : Failed(error, "freeze");
}

// Where programs shall see the arena is fixed by the first mapping, so it has to exist before they are loaded.
Result<std::unique_ptr<MapMemory>> KernelMap::ArenaMemory() {
  const std::size_t size = std::size_t{info_.max_entries} * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::string what = "map " + info_.name;
  auto mapping =
      STRATA_TRY(info_.map_extra != 0 ? Mapping::MakeAt(context_, info_.map_extra, fd(), size, what)
                                      : Mapping::Make(context_, fd(), size, PROT_READ | PROT_WRITE, 0, what));
  return std::unique_ptr<MapMemory>(std::make_unique<KernelMapMemory>(std::move(mapping), size, false));
}

Result<MapState> KernelMap::State() {
  const std::string text = ReadFdInfo(fd());
  const auto memory = FdInfoNumber(text, "memlock");
  if (!memory) {
    return Error(ErrorCode::kNotSupported,
                 fmt::format("map {}: /proc/self/fdinfo does not tell its state", info_.name));
  }
  return MapState{FdInfoNumber(text, "frozen").value_or(0) != 0, *memory};
}

Result<void> KernelMap::Pin(const std::string& path) { return PinObject(*context_, fd(), path, "map " + info_.name); }

Result<std::unique_ptr<MapMemory>> KernelMap::Memory() {
  if (info_.type == MapType::kArena) return ArenaMemory();
  if ((info_.flags & map_flags::kMmapable) == 0) {
    return Error(ErrorCode::kNotSupported, fmt::format("map {}: is not created with BPF_F_MMAPABLE", info_.name));
  }
  const std::size_t stride = (std::size_t{info_.value_size} + 7) / 8 * 8;
  const std::size_t size = stride * info_.max_entries;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t mapped = (size + page - 1) / page * page;
  bool read_only = false;
  auto mapping = Mapping::Make(context_, fd(), mapped, PROT_READ | PROT_WRITE, 0, "map " + info_.name);
  if (!mapping && mapping.error().sys_errno() == EPERM) {  // frozen
    read_only = true;
    mapping = Mapping::Make(context_, fd(), mapped, PROT_READ, 0, "map " + info_.name);
  }
  return std::unique_ptr<MapMemory>(std::make_unique<KernelMapMemory>(STRATA_TRY(std::move(mapping)), size, read_only));
}

Result<std::unique_ptr<RingMemory>> KernelMap::Ring() {
  if (info_.type != MapType::kRingBuf) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: is no ring buffer", info_.name));
  }
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::string what = "map " + info_.name;
  auto consumer = STRATA_TRY(Mapping::Make(context_, fd(), page, PROT_READ | PROT_WRITE, 0, what));
  auto producer = STRATA_TRY(Mapping::Make(context_, fd(), page + 2 * std::size_t{info_.max_entries}, PROT_READ,
                                           static_cast<off_t>(page), what));
  auto descriptor = STRATA_TRY(fd_.Clone());
  return std::unique_ptr<RingMemory>(std::make_unique<KernelRingMemory>(std::move(descriptor), std::move(consumer),
                                                                        std::move(producer), info_.max_entries));
}

}  // namespace strata::kernel
