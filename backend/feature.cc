#include "strata/backend/feature.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "strata/isa/disassemble.h"
#include "strata/spec/type_names.h"

namespace strata {
namespace {

constexpr std::uint32_t V(std::uint32_t major, std::uint32_t minor) { return major << 16 | minor << 8; }

struct MapTypeRow {
  MapType type;
  std::uint32_t first;
};
constexpr MapTypeRow kMapTypes[] = {
    {MapType::kHash, V(3, 19)},
    {MapType::kArray, V(3, 19)},
    {MapType::kProgArray, V(4, 2)},
    {MapType::kPerfEventArray, V(4, 3)},
    {MapType::kPerCpuHash, V(4, 6)},
    {MapType::kPerCpuArray, V(4, 6)},
    {MapType::kStackTrace, V(4, 6)},
    {MapType::kCgroupArray, V(4, 8)},
    {MapType::kLruHash, V(4, 10)},
    {MapType::kLruPerCpuHash, V(4, 10)},
    {MapType::kLpmTrie, V(4, 11)},
    {MapType::kArrayOfMaps, V(4, 12)},
    {MapType::kHashOfMaps, V(4, 12)},
    {MapType::kDevMap, V(4, 14)},
    {MapType::kSockMap, V(4, 14)},
    {MapType::kCpuMap, V(4, 15)},
    {MapType::kXskMap, V(4, 18)},
    {MapType::kSockHash, V(4, 18)},
    {MapType::kCgroupStorage, V(4, 19)},
    {MapType::kReusePortSockArray, V(4, 19)},
    {MapType::kPerCpuCgroupStorage, V(4, 20)},
    {MapType::kQueue, V(4, 20)},
    {MapType::kStack, V(4, 20)},
    {MapType::kSkStorage, V(5, 2)},
    {MapType::kDevMapHash, V(5, 4)},
    {MapType::kStructOps, V(5, 6)},
    {MapType::kRingBuf, V(5, 8)},
    {MapType::kInodeStorage, V(5, 10)},
    {MapType::kTaskStorage, V(5, 11)},
    {MapType::kBloomFilter, V(5, 16)},
    {MapType::kUserRingBuf, V(6, 1)},
    {MapType::kCgrpStorage, V(6, 2)},
    {MapType::kArena, V(6, 9)},
    {MapType::kInsnArray, V(6, 19)},
};

struct MapFlagRow {
  std::uint32_t flag;
  std::string_view name;
  std::uint32_t first;
};
constexpr MapFlagRow kMapFlags[] = {
    {map_flags::kNoPrealloc, "no_prealloc", V(4, 6)},      {map_flags::kNoCommonLru, "no_common_lru", V(4, 10)},
    {map_flags::kNumaNode, "numa_node", V(4, 14)},         {map_flags::kReadOnly, "rdonly", V(4, 15)},
    {map_flags::kWriteOnly, "wronly", V(4, 15)},           {map_flags::kZeroSeed, "zero_seed", V(5, 0)},
    {map_flags::kReadOnlyProgram, "rdonly_prog", V(5, 2)}, {map_flags::kWriteOnlyProgram, "wronly_prog", V(5, 2)},
    {map_flags::kMmapable, "mmapable", V(5, 5)},
};

struct ProgramRow {
  ProgramType type;
  AttachType attach_type;
  std::uint32_t first;
};
constexpr ProgramRow kPrograms[] = {
    {ProgramType::kSocketFilter, AttachType::kNone, V(3, 19)},
    {ProgramType::kKprobe, AttachType::kNone, V(4, 1)},
    {ProgramType::kKprobe, AttachType::kTraceKprobeMulti, V(5, 18)},
    {ProgramType::kKprobe, AttachType::kTraceUprobeMulti, V(6, 6)},
    {ProgramType::kKprobe, AttachType::kTraceKprobeSession, V(6, 10)},
    {ProgramType::kKprobe, AttachType::kTraceUprobeSession, V(6, 13)},
    {ProgramType::kSchedCls, AttachType::kNone, V(4, 1)},
    {ProgramType::kSchedCls, AttachType::kTcxIngress, V(6, 6)},
    {ProgramType::kSchedCls, AttachType::kTcxEgress, V(6, 6)},
    {ProgramType::kSchedCls, AttachType::kNetkitPrimary, V(6, 7)},
    {ProgramType::kSchedCls, AttachType::kNetkitPeer, V(6, 7)},
    {ProgramType::kSchedAct, AttachType::kNone, V(4, 1)},
    {ProgramType::kTracepoint, AttachType::kNone, V(4, 7)},
    {ProgramType::kXdp, AttachType::kNone, V(4, 8)},
    {ProgramType::kXdp, AttachType::kXdpDevMap, V(5, 8)},
    {ProgramType::kXdp, AttachType::kXdp, V(5, 9)},
    {ProgramType::kXdp, AttachType::kXdpCpuMap, V(5, 9)},
    {ProgramType::kPerfEvent, AttachType::kNone, V(4, 9)},
    {ProgramType::kCgroupSkb, AttachType::kCgroupInetIngress, V(4, 10)},
    {ProgramType::kCgroupSkb, AttachType::kCgroupInetEgress, V(4, 10)},
    {ProgramType::kCgroupSock, AttachType::kCgroupInetSockCreate, V(4, 10)},
    {ProgramType::kCgroupSock, AttachType::kCgroupInet4PostBind, V(4, 17)},
    {ProgramType::kCgroupSock, AttachType::kCgroupInet6PostBind, V(4, 17)},
    {ProgramType::kCgroupSock, AttachType::kCgroupInetSockRelease, V(5, 9)},
    {ProgramType::kLwtIn, AttachType::kNone, V(4, 10)},
    {ProgramType::kLwtOut, AttachType::kNone, V(4, 10)},
    {ProgramType::kLwtXmit, AttachType::kNone, V(4, 10)},
    {ProgramType::kSockOps, AttachType::kCgroupSockOps, V(4, 13)},
    {ProgramType::kSkSkb, AttachType::kNone, V(4, 14)},
    {ProgramType::kSkSkb, AttachType::kSkSkbVerdict, V(5, 13)},
    {ProgramType::kCgroupDevice, AttachType::kCgroupDevice, V(4, 15)},
    {ProgramType::kSkMsg, AttachType::kSkMsgVerdict, V(4, 17)},
    {ProgramType::kRawTracepoint, AttachType::kNone, V(4, 17)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupInet4Bind, V(4, 17)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupInet6Bind, V(4, 17)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupInet4Connect, V(4, 17)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupInet6Connect, V(4, 17)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupUdp4Sendmsg, V(4, 18)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupUdp6Sendmsg, V(4, 18)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupUdp4Recvmsg, V(5, 2)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupUdp6Recvmsg, V(5, 2)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupInet4GetPeerName, V(5, 8)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupInet6GetPeerName, V(5, 8)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupInet4GetSockName, V(5, 8)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupInet6GetSockName, V(5, 8)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupUnixConnect, V(6, 7)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupUnixSendmsg, V(6, 7)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupUnixRecvmsg, V(6, 7)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupUnixGetPeerName, V(6, 7)},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupUnixGetSockName, V(6, 7)},
    {ProgramType::kLwtSeg6Local, AttachType::kNone, V(4, 18)},
    {ProgramType::kLircMode2, AttachType::kLircMode2, V(4, 18)},
    {ProgramType::kSkReusePort, AttachType::kNone, V(4, 19)},
    {ProgramType::kSkReusePort, AttachType::kSkReusePortSelectOrMigrate, V(5, 14)},
    {ProgramType::kFlowDissector, AttachType::kFlowDissector, V(4, 20)},
    {ProgramType::kCgroupSysctl, AttachType::kCgroupSysctl, V(5, 2)},
    {ProgramType::kRawTracepointWritable, AttachType::kNone, V(5, 2)},
    {ProgramType::kCgroupSockOpt, AttachType::kCgroupGetsockopt, V(5, 3)},
    {ProgramType::kCgroupSockOpt, AttachType::kCgroupSetsockopt, V(5, 3)},
    {ProgramType::kTracing, AttachType::kTraceRawTp, V(5, 5)},
    {ProgramType::kTracing, AttachType::kTraceFentry, V(5, 5)},
    {ProgramType::kTracing, AttachType::kTraceFexit, V(5, 5)},
    {ProgramType::kTracing, AttachType::kModifyReturn, V(5, 7)},
    {ProgramType::kTracing, AttachType::kTraceIter, V(5, 8)},
    {ProgramType::kStructOps, AttachType::kNone, V(5, 6)},
    {ProgramType::kExt, AttachType::kNone, V(5, 6)},
    {ProgramType::kLsm, AttachType::kLsmMac, V(5, 7)},
    {ProgramType::kLsm, AttachType::kLsmCgroup, V(6, 0)},
    {ProgramType::kSkLookup, AttachType::kSkLookup, V(5, 9)},
    {ProgramType::kSyscall, AttachType::kNone, V(5, 14)},
    {ProgramType::kNetfilter, AttachType::kNetfilter, V(6, 4)},
};

// Helpers were added in the order of their numbers; the last ones of each version that added any.
struct HelperRow {
  std::uint32_t last;
  std::uint32_t first_kernel;
};
constexpr HelperRow kHelpers[] = {
    {3, V(3, 19)},   {11, V(4, 1)},   {16, V(4, 2)},   {22, V(4, 3)},   {25, V(4, 4)},   {26, V(4, 5)},
    {30, V(4, 6)},   {36, V(4, 8)},   {41, V(4, 9)},   {44, V(4, 10)},  {45, V(4, 11)},  {47, V(4, 12)},
    {50, V(4, 13)},  {53, V(4, 14)},  {57, V(4, 15)},  {59, V(4, 16)},  {64, V(4, 17)},  {80, V(4, 18)},
    {83, V(4, 19)},  {90, V(4, 20)},  {92, V(5, 0)},   {98, V(5, 1)},   {108, V(5, 2)},  {110, V(5, 3)},
    {118, V(5, 5)},  {124, V(5, 7)},  {135, V(5, 8)},  {141, V(5, 9)},  {155, V(5, 10)}, {162, V(5, 11)},
    {163, V(5, 12)}, {165, V(5, 13)}, {168, V(5, 14)}, {174, V(5, 15)}, {178, V(5, 16)}, {184, V(5, 17)},
    {192, V(5, 18)}, {203, V(5, 19)}, {207, V(6, 0)},  {209, V(6, 1)},  {211, V(6, 2)},
};

template <typename Key>
struct NamedRow {
  Key key;
  std::string_view name;
  std::uint32_t first;
};
constexpr NamedRow<InstructionSet> kInstructionSets[] = {
    {InstructionSet::kV2, "v2", V(4, 14)},
    {InstructionSet::kV3, "v3", V(5, 1)},
    {InstructionSet::kV4, "v4", V(6, 6)},
};
constexpr NamedRow<LinkKind> kLinkKinds[] = {
    {LinkKind::kRawTracepoint, "raw_tracepoint", V(5, 7)},
    {LinkKind::kTracing, "tracing", V(5, 7)},
    {LinkKind::kCgroup, "cgroup", V(5, 7)},
    {LinkKind::kIterator, "iter", V(5, 8)},
    {LinkKind::kNetns, "netns", V(5, 8)},
    {LinkKind::kXdp, "xdp", V(5, 9)},
    {LinkKind::kPerfEvent, "perf_event", V(5, 15)},
    {LinkKind::kKprobeMulti, "kprobe_multi", V(5, 18)},
    {LinkKind::kStructOps, "struct_ops", V(6, 4)},
    {LinkKind::kNetfilter, "netfilter", V(6, 4)},
    {LinkKind::kTcx, "tcx", V(6, 6)},
    {LinkKind::kUprobeMulti, "uprobe_multi", V(6, 6)},
    {LinkKind::kNetkit, "netkit", V(6, 7)},
    {LinkKind::kSockMap, "sockmap", V(6, 10)},
};
constexpr NamedRow<btf::Kind> kBtfKinds[] = {
    {btf::Kind::kInt, "", V(4, 18)},     {btf::Kind::kFunc, "", V(5, 0)},   {btf::Kind::kVar, "", V(5, 2)},
    {btf::Kind::kDataSec, "", V(5, 2)},  {btf::Kind::kFloat, "", V(5, 13)}, {btf::Kind::kDeclTag, "", V(5, 16)},
    {btf::Kind::kTypeTag, "", V(5, 17)}, {btf::Kind::kEnum64, "", V(6, 0)},
};
constexpr NamedRow<Ability> kAbilities[] = {
    {Ability::kBoundedLoops, "bounded loops", V(5, 3)},
    {Ability::kLargeProgram, "programs of more than 4096 instructions", V(5, 2)},
    {Ability::kAttachCookie, "attach cookies", V(5, 15)},
    {Ability::kToken, "BPF tokens", V(6, 9)},
    {Ability::kLogTrueSize, "the true size of verifier logs", V(6, 4)},
    {Ability::kProgramName, "names of objects", V(4, 15)},
    {Ability::kDotInName, "'.' in names of objects", V(5, 2)},
    {Ability::kGlobalData, "global data", V(5, 2)},
    {Ability::kMemcgAccounting, "accounting of memory to cgroups", V(5, 11)},
    {Ability::kProgramStatistics, "statistics of programs", V(5, 8)},
};

template <typename Rows, typename Same>
std::uint32_t FirstOf(const Rows& rows, Same same) {
  const auto row = std::find_if(std::begin(rows), std::end(rows), same);
  return row == std::end(rows) ? 0 : row->first;
}

template <typename Key, std::size_t kCount>
const NamedRow<Key>* FindRow(const NamedRow<Key> (&rows)[kCount], Key key) {
  const auto* row = std::find_if(std::begin(rows), std::end(rows), [key](const auto& r) { return r.key == key; });
  return row == std::end(rows) ? nullptr : row;
}

template <typename Key, std::size_t kCount>
std::uint32_t FirstByKey(const NamedRow<Key> (&rows)[kCount], Key key) {
  const auto* row = FindRow(rows, key);
  return row == nullptr ? 0 : row->first;
}

template <typename Key, std::size_t kCount>
std::string NameByKey(const NamedRow<Key> (&rows)[kCount], Key key) {
  const auto* row = FindRow(rows, key);
  return row == nullptr ? fmt::format("number {}", static_cast<unsigned>(key)) : std::string(row->name);
}

std::string OfProgram(ProgramType type, AttachType attach_type) {
  std::string text = ProgramTypeName(type);
  if (attach_type != AttachType::kNone) text += " with attach type " + AttachTypeName(attach_type);
  return text;
}

struct Namer {
  std::string operator()(const MapTypeFeature& f) const { return "map type " + MapTypeName(f.type); }
  std::string operator()(const MapFlagFeature& f) const {
    const auto* row = std::find_if(std::begin(kMapFlags), std::end(kMapFlags),
                                   [&](const MapFlagRow& candidate) { return candidate.flag == f.flag; });
    return row == std::end(kMapFlags) ? fmt::format("map flag {:#x}", f.flag) : fmt::format("map flag {}", row->name);
  }
  std::string operator()(const ProgramTypeFeature& f) const {
    return "program type " + OfProgram(f.type, f.attach_type);
  }
  std::string operator()(const HelperFeature& f) const {
    const std::string name = isa::HelperName(f.helper);
    return fmt::format("helper {} in programs of type {}", name.empty() ? fmt::format("{}", f.helper) : name,
                       OfProgram(f.type, f.attach_type));
  }
  std::string operator()(InstructionSet set) const { return "instruction set " + NameByKey(kInstructionSets, set); }
  std::string operator()(LinkKind kind) const { return "link kind " + NameByKey(kLinkKinds, kind); }
  std::string operator()(const BtfKindFeature& f) const { return fmt::format("BTF kind {}", btf::KindName(f.kind)); }
  std::string operator()(Ability ability) const { return NameByKey(kAbilities, ability); }
};

struct FirstKernel {
  std::uint32_t operator()(const MapTypeFeature& f) const {
    return FirstOf(kMapTypes, [&](const MapTypeRow& row) { return row.type == f.type; });
  }
  std::uint32_t operator()(const MapFlagFeature& f) const {
    return FirstOf(kMapFlags, [&](const MapFlagRow& row) { return row.flag == f.flag; });
  }
  std::uint32_t operator()(const ProgramTypeFeature& f) const {
    const std::uint32_t exact =
        FirstOf(kPrograms, [&](const ProgramRow& r) { return r.type == f.type && r.attach_type == f.attach_type; });
    if (exact != 0 || f.attach_type != AttachType::kNone) return exact;
    return FirstOf(kPrograms, [&](const ProgramRow& row) { return row.type == f.type; });
  }
  std::uint32_t operator()(const HelperFeature& f) const {
    if (f.helper == 0) return 0;
    const auto* row = std::find_if(std::begin(kHelpers), std::end(kHelpers),
                                   [&](const HelperRow& candidate) { return f.helper <= candidate.last; });
    return row == std::end(kHelpers) ? 0 : row->first_kernel;
  }
  std::uint32_t operator()(InstructionSet set) const { return FirstByKey(kInstructionSets, set); }
  std::uint32_t operator()(LinkKind kind) const { return FirstByKey(kLinkKinds, kind); }
  std::uint32_t operator()(const BtfKindFeature& f) const {
    const std::uint32_t own = FirstByKey(kBtfKinds, f.kind);
    return own != 0 || f.kind == btf::Kind::kUnknown ? own : V(4, 18);
  }
  std::uint32_t operator()(Ability ability) const { return FirstByKey(kAbilities, ability); }
};

}  // namespace

std::string FeatureName(const Feature& feature) { return std::visit(Namer{}, feature); }

std::uint32_t FirstKernelWith(const Feature& feature) { return std::visit(FirstKernel{}, feature); }

std::string LinuxVersionText(std::uint32_t version) {
  const std::uint32_t patch = version & 0xff;
  std::string text = fmt::format("{}.{}", version >> 16, version >> 8 & 0xff);
  return patch == 0 ? text : fmt::format("{}.{}", text, patch);
}

Error NotSupported(const Feature& feature, const FeatureAnswer& answer) {
  std::string text = FeatureName(feature) + ": not supported";
  if (const std::uint32_t first = FirstKernelWith(feature); first != 0) {
    text += fmt::format(" (needs Linux {})", LinuxVersionText(first));
  }
  if (!answer.reason.empty()) text += ": " + answer.reason;
  return Error(ErrorCode::kNotSupported, std::move(text));
}

std::vector<Feature> KnownFeatures() {
  std::vector<Feature> all;
  for (const auto& row : kMapTypes) all.emplace_back(MapTypeFeature{row.type});
  for (const auto& row : kMapFlags) all.emplace_back(MapFlagFeature{row.flag});
  for (const auto& row : kPrograms) all.emplace_back(ProgramTypeFeature{row.type, row.attach_type});
  for (const auto& row : kInstructionSets) all.emplace_back(row.key);
  for (const auto& row : kLinkKinds) all.emplace_back(row.key);
  for (const auto& row : kBtfKinds) all.emplace_back(BtfKindFeature{row.key});
  for (const auto& row : kAbilities) all.emplace_back(row.key);
  return all;
}

}  // namespace strata
