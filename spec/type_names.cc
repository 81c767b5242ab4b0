#include "strata/spec/type_names.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace strata {
namespace {

// Indexed by the kernel's number.
constexpr std::array<std::string_view, 35> kMapTypeNames = {
    "unspec",
    "hash",
    "array",
    "prog_array",
    "perf_event_array",
    "percpu_hash",
    "percpu_array",
    "stack_trace",
    "cgroup_array",
    "lru_hash",
    "lru_percpu_hash",
    "lpm_trie",
    "array_of_maps",
    "hash_of_maps",
    "devmap",
    "sockmap",
    "cpumap",
    "xskmap",
    "sockhash",
    "cgroup_storage",
    "reuseport_sockarray",
    "percpu_cgroup_storage",
    "queue",
    "stack",
    "sk_storage",
    "devmap_hash",
    "struct_ops",
    "ringbuf",
    "inode_storage",
    "task_storage",
    "bloom_filter",
    "user_ringbuf",
    "cgrp_storage",
    "arena",
    "insn_array",
};

constexpr std::array<std::string_view, 33> kProgramTypeNames = {
    "unspec",
    "socket_filter",
    "kprobe",
    "sched_cls",
    "sched_act",
    "tracepoint",
    "xdp",
    "perf_event",
    "cgroup_skb",
    "cgroup_sock",
    "lwt_in",
    "lwt_out",
    "lwt_xmit",
    "sock_ops",
    "sk_skb",
    "cgroup_device",
    "sk_msg",
    "raw_tracepoint",
    "cgroup_sock_addr",
    "lwt_seg6local",
    "lirc_mode2",
    "sk_reuseport",
    "flow_dissector",
    "cgroup_sysctl",
    "raw_tracepoint_writable",
    "cgroup_sockopt",
    "tracing",
    "struct_ops",
    "ext",
    "lsm",
    "sk_lookup",
    "syscall",
    "netfilter",
};

template <typename Names, typename Type>
std::string NameIn(const Names& names, Type type) {
  const auto number = static_cast<std::size_t>(type);
  return number < names.size() ? std::string(names[number]) : fmt::format("type_{}", number);
}

}  // namespace

std::string MapTypeName(MapType type) { return NameIn(kMapTypeNames, type); }
std::string ProgramTypeName(ProgramType type) { return NameIn(kProgramTypeNames, type); }

}  // namespace strata
