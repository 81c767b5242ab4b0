#include "map_create.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "memlock.h"
#include "strata/spec/map_rules.h"

namespace strata::kernel {
namespace {

constexpr int kNotSupportedErrno = 524;  // ENOTSUPP, the kernel's own

// `inner_fd`: a map like those that the new one will hold, or -1.
MapCreateAttr AttrOf(const MapSpec& spec, const KernelTypes* types, int inner_fd) {
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
  return attr;
}

FdOrErrno CreateOnce(const Context& context, MapCreateAttr attr) {
  FdOrErrno created = context.Open(Command::kMapCreate, attr);
  if (created.sys_errno == EPERM && RaiseMemlockLimit(context)) created = context.Open(Command::kMapCreate, attr);
  return created;
}

// Types are for those who look at the map; most kinds do without. Those that take none say so by one of these errors.
FdOrErrno CreateWithOrWithoutTypes(const Context& context, const MapCreateAttr& attr) {
  FdOrErrno created = CreateOnce(context, attr);
  const bool may_be_types = created.sys_errno == EINVAL || created.sys_errno == kNotSupportedErrno;
  const bool needs_types =
      attr.btf_vmlinux_value_type_id != 0 || HasTrait(static_cast<MapType>(attr.map_type), map_traits::kTypesRequired);
  if (!may_be_types || attr.btf_fd == 0 || needs_types) return created;
  MapCreateAttr without = attr;
  without.btf_fd = without.btf_key_type_id = without.btf_value_type_id = 0;
  FdOrErrno second = CreateOnce(context, without);
  return second ? std::move(second) : std::move(created);
}

// Data sections are the loader's idea: older kernels run their programs with less. They cannot be mapped before
// Linux 5.5 and not be protected from programs before 5.2.
FdOrErrno CreateDataSection(const Context& context, MapCreateAttr attr) {
  FdOrErrno created = CreateWithOrWithoutTypes(context, attr);
  for (const std::uint32_t flag : {map_flags::kMmapable, map_flags::kReadOnlyProgram}) {
    if (created.sys_errno != EINVAL) break;
    attr.map_flags &= ~flag;
    created = CreateWithOrWithoutTypes(context, attr);
  }
  return created;
}

std::string SizesOf(const MapSpec& spec) {
  return fmt::format("key_size {}, value_size {}, max_entries {}, flags {:#x}, map_extra {:#x}", spec.key_size,
                     spec.value_size, spec.max_entries, spec.flags, spec.map_extra);
}

// The kernel reports all of it by EINVAL alone; what every kernel refuses was named before.
std::string InvalidSpecHint(const MapSpec& spec) {
  if (HasTrait(spec.type, map_traits::kTypesRequired) && !spec.value_type) {
    return "this kind of map needs the types of its keys and values (BTF)";
  }
  return fmt::format("this kernel does not know the type, or not with {}", SizesOf(spec));
}

Error CreationError(const MapSpec& spec, int create_errno) {
  const std::string what = fmt::format("map {}: creating it", spec.name);
  if (create_errno == EINVAL) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", what, InvalidSpecHint(spec)), EINVAL);
  }
  if (create_errno == E2BIG || create_errno == ENOMEM) {
    return Error(ErrorCode::kNoSpace,
                 fmt::format("{}: {} entries of {} + {} bytes: {}", what, spec.max_entries, spec.key_size,
                             spec.value_size, std::strerror(create_errno)),
                 create_errno);
  }
  return BpfError(create_errno, what);
}

// The kernel learns what a map of maps holds from a map that may go once the outer one is there. No descriptor for
// other kinds.
Result<UniqueFd> CreateTemplate(const Context& context, const MapSpec& outer, const KernelTypes* types) {
  if (!HasTrait(outer.type, map_traits::kHoldsMaps)) return UniqueFd();
  MapSpec inner = outer.inner.front();
  inner.name = outer.name + ".inner";
  return CreateMap(context, inner, types);
}

}  // namespace

Result<UniqueFd> CreateMap(const Context& context, const MapSpec& spec, const KernelTypes* types) {
  STRATA_TRY(CheckMapSpec(spec));
  const UniqueFd inner = STRATA_TRY(CreateTemplate(context, spec, types));
  const MapCreateAttr attr = AttrOf(spec, types, inner.get());
  FdOrErrno created = spec.is_data_section ? CreateDataSection(context, attr) : CreateWithOrWithoutTypes(context, attr);
  if (!created) return CreationError(spec, created.sys_errno);
  return std::move(created.fd);
}

}  // namespace strata::kernel
