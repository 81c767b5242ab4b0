// Probes of map types and flags.
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "feature_prober.h"
#include "strata/btf/builder.h"

namespace strata::kernel {
namespace {

// What the smallest map of a type that differs from a table of four bytes each looks like.
struct SmallestMap {
  MapType type;
  std::uint32_t key_size;
  std::uint32_t value_size;
  std::uint32_t max_entries;
  std::uint32_t flags;
  bool needs_types;  // of an int as key and as value
};
constexpr std::uint32_t kPage = 0xffffffff;  // stands for the page size
constexpr SmallestMap kSmallest[] = {
    {MapType::kStackTrace, 4, 8, 1, 0, false},
    {MapType::kLpmTrie, 8, 4, 1, map_flags::kNoPrealloc, false},
    {MapType::kCgroupStorage, 8, 4, 0, 0, false},
    {MapType::kPerCpuCgroupStorage, 8, 4, 0, 0, false},
    {MapType::kReusePortSockArray, 4, 8, 1, 0, false},
    {MapType::kQueue, 0, 4, 1, 0, false},
    {MapType::kStack, 0, 4, 1, 0, false},
    {MapType::kBloomFilter, 0, 4, 1, 0, false},
    {MapType::kRingBuf, 0, 0, kPage, 0, false},
    {MapType::kUserRingBuf, 0, 0, kPage, 0, false},
    {MapType::kSkStorage, 4, 4, 0, map_flags::kNoPrealloc, true},
    {MapType::kInodeStorage, 4, 4, 0, map_flags::kNoPrealloc, true},
    {MapType::kTaskStorage, 4, 4, 0, map_flags::kNoPrealloc, true},
    {MapType::kCgrpStorage, 4, 4, 0, map_flags::kNoPrealloc, true},
    {MapType::kArena, 0, 0, 1, map_flags::kMmapable, false},
    {MapType::kInsnArray, 4, 16, 1, 0, false},
};

SmallestMap SmallestOf(MapType type) {
  const auto* row = std::find_if(std::begin(kSmallest), std::end(kSmallest),
                                 [type](const SmallestMap& candidate) { return candidate.type == type; });
  return row == std::end(kSmallest) ? SmallestMap{type, 4, 4, 1, 0, false} : *row;
}

bool HoldsMaps(MapType type) { return type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps; }

int Create(const Context& context, MapCreateAttr attr) { return context.Open(Command::kMapCreate, attr).sys_errno; }

MapCreateAttr AttrOf(const SmallestMap& map) {
  MapCreateAttr attr;
  attr.map_type = static_cast<std::uint32_t>(map.type);
  attr.key_size = map.key_size;
  attr.value_size = map.value_size;
  attr.max_entries = map.max_entries == kPage ? static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE)) : map.max_entries;
  attr.map_flags = map.flags;
  return attr;
}

FdOrErrno LoadIntType(const Context& context) {
  btf::Builder builder;
  (void)builder.Add(btf::Int{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true});
  const auto bytes = builder.Build();
  if (!bytes) return {UniqueFd(), EINVAL};
  BtfLoadAttr attr;
  attr.btf = AddressOf(bytes->data());
  attr.btf_size = static_cast<std::uint32_t>(bytes->size());
  return context.Open(Command::kBtfLoad, attr);
}

// One for the kernel's congestion controls, which is what such maps were made for.
FeatureAnswer ProbeStructOps(const ProbeTools& tools) {
  constexpr std::string_view kWrapper = "bpf_struct_ops_tcp_congestion_ops";
  const auto types = tools.kernel.Types();
  if (!types) return {Support::kInconclusive, types.error().message()};
  const auto wrapper = (*types)->FindByName(kWrapper, btf::Kind::kStruct);
  if (!wrapper) return {Support::kNo, "the kernel's BTF has no " + std::string(kWrapper)};
  MapCreateAttr attr = AttrOf({MapType::kStructOps, 4, 0, 1, 0, false});
  const auto layout = (*types)->Get<btf::Struct>(*wrapper);
  attr.value_size = layout ? layout->size_bytes : 0;
  attr.btf_vmlinux_value_type_id = wrapper->value;
  const FdOrErrno own = LoadIntType(tools.context);
  if (!own) return {Support::kInconclusive, "loading BTF: " + ErrnoText(own.sys_errno)};
  attr.btf_fd = static_cast<std::uint32_t>(own.fd.get());
  return AnswerOf(tools, Create(tools.context, attr), "creating one for tcp_congestion_ops");
}

struct FlagRow {
  std::uint32_t flag;
  MapType type;  // one that can have it
};
constexpr FlagRow kFlagRows[] = {
    {map_flags::kNoPrealloc, MapType::kHash},       {map_flags::kNoCommonLru, MapType::kLruHash},
    {map_flags::kNumaNode, MapType::kHash},         {map_flags::kReadOnly, MapType::kArray},
    {map_flags::kWriteOnly, MapType::kArray},       {map_flags::kZeroSeed, MapType::kHash},
    {map_flags::kReadOnlyProgram, MapType::kArray}, {map_flags::kWriteOnlyProgram, MapType::kArray},
    {map_flags::kMmapable, MapType::kArray},
};

}  // namespace

FeatureAnswer ProbeMapType(const ProbeTools& tools, MapType type) {
  if (type == MapType::kStructOps) return ProbeStructOps(tools);
  const SmallestMap smallest = SmallestOf(type);
  MapCreateAttr attr = AttrOf(smallest);
  FdOrErrno inner;
  if (HoldsMaps(type)) {
    MapCreateAttr array = AttrOf({MapType::kArray, 4, 4, 1, 0, false});
    inner = tools.context.Open(Command::kMapCreate, array);
    if (!inner) return {Support::kInconclusive, "creating an array: " + ErrnoText(inner.sys_errno)};
    attr.inner_map_fd = static_cast<std::uint32_t>(inner.fd.get());
  }
  FdOrErrno types;
  if (smallest.needs_types) {
    types = LoadIntType(tools.context);
    if (!types) return {Support::kInconclusive, "loading BTF: " + ErrnoText(types.sys_errno)};
    attr.btf_fd = static_cast<std::uint32_t>(types.fd.get());
    attr.btf_key_type_id = attr.btf_value_type_id = 1;
  }
  return AnswerOf(tools, Create(tools.context, attr), "creating one");
}

FeatureAnswer ProbeMapFlag(const ProbeTools& tools, std::uint32_t flag) {
  const auto* row = std::find_if(std::begin(kFlagRows), std::end(kFlagRows),
                                 [flag](const FlagRow& candidate) { return candidate.flag == flag; });
  if (row == std::end(kFlagRows)) return {Support::kInconclusive, "no probe for it"};
  MapCreateAttr attr = AttrOf(SmallestOf(row->type));
  attr.map_flags |= flag;
  return AnswerOf(tools, Create(tools.context, attr), "creating a map with it");
}

}  // namespace strata::kernel
