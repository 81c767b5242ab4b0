#include "map.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "mapping.h"
#include "program.h"
#include "strata/spec/type_names.h"

namespace strata::kernel {
namespace {

constexpr int kNotSupportedErrno = 524;  // ENOTSUPP, the kernel's own

bool IsPerCpu(MapType type) {
  return type == MapType::kPerCpuArray || type == MapType::kPerCpuHash || type == MapType::kLruPerCpuHash ||
         type == MapType::kPerCpuCgroupStorage;
}

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

bool HoldsMaps(MapType type) { return type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps; }

// `inner_fd`: a map like those that the new one will hold, or -1.
FdOrErrno CreateMap(const Context& context, const MapSpec& spec, const KernelTypes* types, int inner_fd) {
  MapCreateAttr attr;
  attr.map_type = static_cast<std::uint32_t>(spec.type);
  attr.key_size = spec.key_size;
  attr.value_size = spec.value_size;
  attr.max_entries = spec.max_entries;
  attr.map_flags = spec.flags;
  attr.map_extra = spec.map_extra;
  attr.numa_node = spec.numa_node;
  attr.map_name = ObjectName(spec.name);
  if (inner_fd >= 0) attr.inner_map_fd = static_cast<std::uint32_t>(inner_fd);
  if (spec.type == MapType::kStructOps) {
    attr.btf_vmlinux_value_type_id = spec.value_type.value;
    if (types != nullptr) attr.btf_fd = static_cast<std::uint32_t>(types->fd());
  } else if (types != nullptr && spec.value_type && spec.value_size > 0) {  // a ring has no value for the kernel
    attr.btf_fd = static_cast<std::uint32_t>(types->fd());
    attr.btf_key_type_id = spec.key_type.value;
    attr.btf_value_type_id = spec.value_type.value;
  }
  return context.Open(Command::kMapCreate, attr);
}

// What the kernel reports by EINVAL alone.
std::string InvalidSpecHint(const MapSpec& spec) {
  if (spec.max_entries == 0) return " (max_entries is 0)";
  if (HoldsMaps(spec.type) && spec.inner.empty()) return " (it does not say what kind of maps it holds)";
  if (spec.type == MapType::kRingBuf && (spec.max_entries % 4096 != 0 || (spec.max_entries & (spec.max_entries - 1)))) {
    return fmt::format(" (max_entries {} is not a power of two and a multiple of the page size)", spec.max_entries);
  }
  return fmt::format(" (key_size {}, value_size {}, max_entries {}, flags {:#x})", spec.key_size, spec.value_size,
                     spec.max_entries, spec.flags);
}

Error CreationError(const MapSpec& spec, int create_errno) {
  std::string what = fmt::format("map {}: creating it", spec.name);
  if (create_errno == EINVAL) what += InvalidSpecHint(spec);
  if (create_errno == E2BIG || create_errno == ENOMEM) {
    what += fmt::format(" ({} entries of {} + {} bytes)", spec.max_entries, spec.key_size, spec.value_size);
    return Error(ErrorCode::kNoSpace, fmt::format("{}: {}", what, std::strerror(create_errno)), create_errno);
  }
  return BpfError(create_errno, std::move(what));
}

// The kernel learns what a map of maps holds from a map that may go once the outer one is there. No descriptor for
// other kinds.
Result<UniqueFd> CreateTemplate(const Context& context, const MapSpec& outer, const KernelTypes* types) {
  if (!HoldsMaps(outer.type) || outer.inner.empty()) return UniqueFd();
  MapSpec spec = outer.inner.front();
  spec.name = outer.name + ".inner";
  FdOrErrno created = CreateMap(context, spec, types, -1);
  if (!created && types != nullptr) created = CreateMap(context, spec, nullptr, -1);
  if (!created) return CreationError(spec, created.sys_errno);
  return std::move(created.fd);
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
  result.element_size = IsPerCpu(result.type) ? (info.value_size + 7) / 8 * 8 * possible_cpus : info.value_size;
  return result;
}

Result<std::shared_ptr<BackendMap>> KernelMap::Create(const ContextPtr& context, const MapSpec& spec,
                                                      const KernelTypes* types) {
  const UniqueFd inner = STRATA_TRY(CreateTemplate(*context, spec, types));
  FdOrErrno created = CreateMap(*context, spec, types, inner.get());
  // Kinds that take no BTF for keys and values say so by one of these.
  if (!created && types != nullptr && (created.sys_errno == EINVAL || created.sys_errno == kNotSupportedErrno)) {
    created = CreateMap(*context, spec, nullptr, inner.get());
  }
  if (!created) return CreationError(spec, created.sys_errno);
  MapInfoRecord record;
  if (const int error = context->Info(created.fd.get(), record); error != 0) {
    return BpfError(error, fmt::format("map {}: reading its info", spec.name));
  }
  MapInfo info = MakeMapInfo(record, spec.name, context->possible_cpus);
  return std::shared_ptr<BackendMap>(new KernelMap(context, std::move(created.fd), std::move(info), record.map_extra));
}

int KernelMap::Element(Command command, const std::byte* key, const void* value, std::uint64_t flags) const {
  ElementAttr attr;
  attr.map_fd = static_cast<std::uint32_t>(fd());
  attr.key = AddressOf(key);
  attr.value = AddressOf(value);
  attr.flags = flags;
  const long result = context_->Bpf(command, attr);
  return result < 0 ? static_cast<int>(-result) : 0;
}

Error KernelMap::Failed(int sys_errno, std::string_view operation) const {
  return BpfError(sys_errno, fmt::format("map {}: {}", info_.name, operation));
}

Result<bool> KernelMap::Lookup(std::span<const std::byte> key, std::span<std::byte> value) {
  const int error = Element(Command::kMapLookup, key.data(), value.data());
  if (error == 0) return true;
  if (error == ENOENT) return false;
  return Failed(error, "lookup");
}

Result<void> KernelMap::Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode mode) {
  const std::byte* const key_or_null = key.empty() ? nullptr : key.data();
  const int error = Element(Command::kMapUpdate, key_or_null, value.data(), static_cast<std::uint64_t>(mode));
  return error == 0 ? Result<void>() : Failed(error, "update");
}

Result<bool> KernelMap::Delete(std::span<const std::byte> key) {
  const int error = Element(Command::kMapDelete, key.data(), nullptr);
  if (error == 0) return true;
  if (error == ENOENT) return false;
  return Failed(error, "delete");
}

Result<bool> KernelMap::LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value) {
  const int error = Element(Command::kMapLookupAndDelete, key.empty() ? nullptr : key.data(), value.data());
  if (error == 0) return true;
  if (error == ENOENT) return false;
  return Failed(error, "lookup and delete");
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
  if (!HoldsMaps(info_.type) || stored == nullptr) return BackendMap::UpdateMap(key, map);
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
  return error == 0 ? Result<void>() : Failed(error, "registering it");
}

Result<void> KernelMap::Freeze() {
  const int error = Element(Command::kMapFreeze, nullptr, nullptr);
  return error == 0 ? Result<void>() : Failed(error, "freeze");
}

// Where programs shall see the arena is fixed by the first mapping, so it has to exist before they are loaded.
Result<std::unique_ptr<MapMemory>> KernelMap::ArenaMemory() {
  const std::size_t size = std::size_t{info_.max_entries} * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::string what = "map " + info_.name;
  auto mapping = STRATA_TRY(map_extra_ != 0 ? Mapping::MakeAt(context_, map_extra_, fd(), size, what)
                                            : Mapping::Make(context_, fd(), size, PROT_READ | PROT_WRITE, 0, what));
  return std::unique_ptr<MapMemory>(std::make_unique<KernelMapMemory>(std::move(mapping), size, false));
}

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
