// What the kernel tells of a link, by its type.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "fd_link.h"

namespace strata::kernel {
namespace {

// Room for the strings that a link's record points to.
struct Names {
  std::array<char, 4096> text{};
  std::string Get() const { return text.data(); }
  std::uint64_t address() const { return AddressOf(text.data()); }
  static constexpr std::uint32_t kSize = 4095;
};

using Detail = LinkInfoRecord::Detail;

// enum bpf_perf_event_type.
enum class PerfEventType : std::uint32_t {
  kUnspec = 0,
  kUprobe = 1,
  kUretprobe = 2,
  kKprobe = 3,
  kKretprobe = 4,
  kTracepoint = 5,
  kEvent = 6,
};

void AddAttachType(std::uint32_t type, LinkInfo& info) { info.attach_type = static_cast<AttachType>(type); }

void DecodeRawTracepoint(const Detail& detail, const Names& names, LinkInfo& info) {
  info.name = names.Get();
  info.cookie = detail.raw_tracepoint.cookie;
}

void DecodeTracing(const Detail& detail, const Names&, LinkInfo& info) {
  AddAttachType(detail.tracing.attach_type, info);
  info.target_id = detail.tracing.target_object_id;
  info.target_type_id = detail.tracing.target_btf_id;
  info.cookie = detail.tracing.cookie;
}

void DecodeCgroup(const Detail& detail, const Names&, LinkInfo& info) {
  AddAttachType(detail.cgroup.attach_type, info);
  info.target_id = detail.cgroup.cgroup_id;
}

void DecodeIterator(const Detail& detail, const Names& names, LinkInfo& info) {
  info.name = names.Get();
  info.target_id = detail.iterator.map_id != 0 ? detail.iterator.map_id : detail.iterator.cgroup_id_or_task;
}

void DecodeNetns(const Detail& detail, const Names&, LinkInfo& info) {
  AddAttachType(detail.netns.attach_type, info);
  if (info.attach_type == AttachType::kSkLookup) info.kind = "sk_lookup";
  if (info.attach_type == AttachType::kFlowDissector) info.kind = "flow_dissector";
  info.target_id = detail.netns.inode;
}

void DecodeXdp(const Detail& detail, const Names&, LinkInfo& info) { info.ifindex = detail.interface.ifindex; }

void DecodeInterface(const Detail& detail, const Names&, LinkInfo& info) {
  info.ifindex = detail.interface.ifindex;
  AddAttachType(detail.interface.attach_type, info);
}

void DecodeStructOps(const Detail& detail, const Names&, LinkInfo& info) { info.target_id = detail.struct_ops.map_id; }

void DecodeNetfilter(const Detail& detail, const Names&, LinkInfo& info) {
  info.name = fmt::format("pf {} hook {} priority {}", detail.netfilter.protocol_family, detail.netfilter.hook,
                          detail.netfilter.priority);
}

// BPF_F_KPROBE_MULTI_RETURN, BPF_F_UPROBE_MULTI_RETURN; of a session the kernel does not tell.
constexpr std::uint32_t kAtReturn = 1U << 0;

void DecodeKprobeMulti(const Detail& detail, const Names&, LinkInfo& info) {
  if ((detail.kprobe_multi.flags & kAtReturn) != 0) info.kind = "kretprobe_multi";
  info.place_count = detail.kprobe_multi.count;
}

void DecodeUprobeMulti(const Detail& detail, const Names& names, LinkInfo& info) {
  if ((detail.uprobe_multi.flags & kAtReturn) != 0) info.kind = "uretprobe_multi";
  info.path = names.Get();
  info.place_count = detail.uprobe_multi.count;
  if (detail.uprobe_multi.pid != 0) info.pid = static_cast<std::int32_t>(detail.uprobe_multi.pid);
}

void DecodeSockMap(const Detail& detail, const Names&, LinkInfo& info) {
  info.target_id = detail.sock_map.map_id;
  AddAttachType(detail.sock_map.attach_type, info);
}

void DecodePerfEvent(const Detail& detail, const Names& names, LinkInfo& info) {
  const LinkInfoRecord::PerfEvent& event = detail.perf_event;
  const auto type = static_cast<PerfEventType>(event.type);
  switch (type) {
    case PerfEventType::kUnspec:
      return;
    case PerfEventType::kUprobe:
    case PerfEventType::kUretprobe:
      info.kind = type == PerfEventType::kUprobe ? "uprobe" : "uretprobe";
      info.path = names.Get();
      info.offset = event.uprobe.offset;
      info.cookie = event.uprobe.cookie;
      return;
    case PerfEventType::kKprobe:
    case PerfEventType::kKretprobe:
      info.kind = type == PerfEventType::kKprobe ? "kprobe" : "kretprobe";
      info.name = names.Get();
      info.offset = event.kprobe.offset;
      info.cookie = event.kprobe.cookie;
      return;
    case PerfEventType::kTracepoint:
      info.kind = "tracepoint";
      info.name = names.Get();
      info.cookie = event.tracepoint.cookie;
      return;
    case PerfEventType::kEvent:
      info.cookie = event.event.cookie;
      return;
  }
}

void AskRawTracepoint(const Names& names, Detail& detail) {
  detail.raw_tracepoint.name = names.address();
  detail.raw_tracepoint.name_len = Names::kSize;
}

void AskIterator(const Names& names, Detail& detail) {
  detail.iterator.target_name = names.address();
  detail.iterator.target_name_len = Names::kSize;
}

void AskUprobeMulti(const Names& names, Detail& detail) {
  detail.uprobe_multi.path = names.address();
  detail.uprobe_multi.path_size = Names::kSize;
}

// All variants have their name and its length at the same place.
void AskPerfEvent(const Names& names, Detail& detail) {
  detail.perf_event.uprobe.file_name = names.address();
  detail.perf_event.uprobe.name_len = Names::kSize;
}

struct LinkTypeRow {
  LinkKind type;
  std::string_view name;
  void (*ask)(const Names& names, Detail& detail);  // null: the record has no strings
  void (*decode)(const Detail& detail, const Names& names, LinkInfo& info);
  bool takes_programs;  // in place of its own (update_prog of the kernel's bpf_link_ops)
};

constexpr LinkTypeRow kRows[] = {
    {LinkKind::kRawTracepoint, "raw_tracepoint", AskRawTracepoint, DecodeRawTracepoint, false},
    {LinkKind::kTracing, "tracing", nullptr, DecodeTracing, false},
    {LinkKind::kCgroup, "cgroup", nullptr, DecodeCgroup, true},
    {LinkKind::kIterator, "iter", AskIterator, DecodeIterator, true},
    {LinkKind::kNetns, "netns", nullptr, DecodeNetns, true},
    {LinkKind::kXdp, "xdp", nullptr, DecodeXdp, true},
    {LinkKind::kPerfEvent, "perf_event", AskPerfEvent, DecodePerfEvent, false},
    {LinkKind::kKprobeMulti, "kprobe_multi", nullptr, DecodeKprobeMulti, false},
    {LinkKind::kStructOps, "struct_ops", nullptr, DecodeStructOps, false},
    {LinkKind::kNetfilter, "netfilter", nullptr, DecodeNetfilter, false},
    {LinkKind::kTcx, "tcx", nullptr, DecodeInterface, true},
    {LinkKind::kUprobeMulti, "uprobe_multi", AskUprobeMulti, DecodeUprobeMulti, false},
    {LinkKind::kNetkit, "netkit", nullptr, DecodeInterface, true},
    {LinkKind::kSockMap, "sockmap", nullptr, DecodeSockMap, true},
};

const LinkTypeRow* FindRow(std::uint32_t type) {
  const auto* const found = std::find_if(std::begin(kRows), std::end(kRows), [&](const LinkTypeRow& row) {
    return static_cast<std::uint32_t>(row.type) == type;
  });
  return found != std::end(kRows) ? found : nullptr;
}

}  // namespace

// Asked twice: only the first answer says of which type the link is, and so where it wants strings to be written.
Result<LinkInfo> ReadLinkInfo(const Context& context, int fd) {
  LinkInfoRecord record;
  if (const int error = context.Info(fd, record); error != 0) return BpfError(error, "reading a link's info");
  const LinkTypeRow* row = FindRow(record.type);
  LinkInfo info;
  info.id = record.id;
  info.program_id = record.prog_id;
  info.kind = row != nullptr ? std::string(row->name) : fmt::format("type_{}", record.type);
  if (row == nullptr) return info;
  Names names;
  if (row->ask != nullptr) {
    LinkInfoRecord with_names;
    row->ask(names, with_names.detail);
    // An older kernel may not know how to tell names: what it told without them stands.
    if (context.Info(fd, with_names) == 0) record = with_names;
  }
  row->decode(record.detail, names, info);
  return info;
}

bool TakesPrograms(const Context& context, int fd) {
  LinkInfoRecord record;
  if (context.Info(fd, record) != 0) return true;
  const LinkTypeRow* row = FindRow(record.type);
  return row == nullptr || row->takes_programs;
}

}  // namespace strata::kernel
