#include "strata/backend/userspace/verifier/absent_helpers.h"

#include <algorithm>

namespace strata::verifier {
namespace {

constexpr char kPackets[] = "works on packets";
constexpr char kSockets[] = "works on the kernel's sockets";
constexpr char kMessages[] = "works on messages of sockets";
constexpr char kCgroups[] = "belongs to programs of cgroups";
constexpr char kLoaders[] = "belongs to programs that load others";
constexpr char kIterators[] = "belongs to iterators over the kernel's objects";
constexpr char kSecret[] = "needs the kernel's secret";
constexpr char kBranches[] = "reads what the processor recorded for the kernel";
constexpr char kCounters[] = "reads counters of the kernel's perf events";
constexpr char kInfrared[] = "belongs to infrared receivers";
constexpr char kPerCpuVariables[] = "reads the kernel's per-CPU variables";
constexpr char kIntegrity[] = "asks the kernel's integrity measurement";
constexpr char kFiles[] = "works on the kernel's files";
constexpr char kSysctl[] = "belongs to programs of sysctl";

constexpr AbsentHelper kAbsent[] = {
    {9, "skb_store_bytes", kPackets},
    {10, "l3_csum_replace", kPackets},
    {11, "l4_csum_replace", kPackets},
    {13, "clone_redirect", kPackets},
    {17, "get_cgroup_classid", kPackets},
    {18, "skb_vlan_push", kPackets},
    {19, "skb_vlan_pop", kPackets},
    {20, "skb_get_tunnel_key", kPackets},
    {21, "skb_set_tunnel_key", kPackets},
    {22, "perf_event_read", kCounters},
    {23, "redirect", kPackets},
    {24, "get_route_realm", kPackets},
    {26, "skb_load_bytes", kPackets},
    {29, "skb_get_tunnel_opt", kPackets},
    {30, "skb_set_tunnel_opt", kPackets},
    {31, "skb_change_proto", kPackets},
    {32, "skb_change_type", kPackets},
    {33, "skb_under_cgroup", kPackets},
    {34, "get_hash_recalc", kPackets},
    {38, "skb_change_tail", kPackets},
    {39, "skb_pull_data", kPackets},
    {40, "csum_update", kPackets},
    {41, "set_hash_invalid", kPackets},
    {43, "skb_change_head", kPackets},
    {44, "xdp_adjust_head", kPackets},
    {46, "get_socket_cookie", kSockets},
    {47, "get_socket_uid", kSockets},
    {48, "set_hash", kPackets},
    {49, "setsockopt", kSockets},
    {50, "skb_adjust_room", kPackets},
    {51, "redirect_map", kPackets},
    {52, "sk_redirect_map", kSockets},
    {53, "sock_map_update", kSockets},
    {54, "xdp_adjust_meta", kPackets},
    {55, "perf_event_read_value", kCounters},
    {56, "perf_prog_read_value", kCounters},
    {57, "getsockopt", kSockets},
    {59, "sock_ops_cb_flags_set", kSockets},
    {60, "msg_redirect_map", kMessages},
    {61, "msg_apply_bytes", kMessages},
    {62, "msg_cork_bytes", kMessages},
    {63, "msg_pull_data", kMessages},
    {64, "bind", kSockets},
    {65, "xdp_adjust_tail", kPackets},
    {66, "skb_get_xfrm_state", kPackets},
    {68, "skb_load_bytes_relative", kPackets},
    {69, "fib_lookup", "asks the kernel's routing tables"},
    {70, "sock_hash_update", kSockets},
    {71, "msg_redirect_hash", kSockets},
    {72, "sk_redirect_hash", kSockets},
    {73, "lwt_push_encap", kPackets},
    {74, "lwt_seg6_store_bytes", kPackets},
    {75, "lwt_seg6_adjust_srh", kPackets},
    {76, "lwt_seg6_action", kPackets},
    {77, "rc_repeat", kInfrared},
    {78, "rc_keydown", kInfrared},
    {79, "skb_cgroup_id", kPackets},
    {81, "get_local_storage", kCgroups},
    {82, "sk_select_reuseport", kSockets},
    {83, "skb_ancestor_cgroup_id", kPackets},
    {84, "sk_lookup_tcp", kSockets},
    {85, "sk_lookup_udp", kSockets},
    {86, "sk_release", kSockets},
    {90, "msg_push_data", kMessages},
    {91, "msg_pop_data", kMessages},
    {92, "rc_pointer_rel", kInfrared},
    {95, "sk_fullsock", kSockets},
    {96, "tcp_sock", kSockets},
    {97, "skb_ecn_set_ce", kPackets},
    {98, "get_listener_sock", kSockets},
    {99, "skc_lookup_tcp", kSockets},
    {100, "tcp_check_syncookie", kSockets},
    {101, "sysctl_get_name", kSysctl},
    {102, "sysctl_get_current_value", kSysctl},
    {103, "sysctl_get_new_value", kSysctl},
    {104, "sysctl_set_new_value", kSysctl},
    {107, "sk_storage_get", kSockets},
    {108, "sk_storage_delete", kSockets},
    {110, "tcp_gen_syncookie", kSecret},
    {111, "skb_output", kPackets},
    {116, "tcp_send_ack", kSockets},
    {119, "read_branch_records", kBranches},
    {121, "xdp_output", kPackets},
    {122, "get_netns_cookie", kSockets},
    {124, "sk_assign", kSockets},
    {126, "seq_printf", kIterators},
    {127, "seq_write", kIterators},
    {128, "sk_cgroup_id", kSockets},
    {129, "sk_ancestor_cgroup_id", kSockets},
    {135, "csum_level", kPackets},
    {136, "skc_to_tcp6_sock", kSockets},
    {137, "skc_to_tcp_sock", kSockets},
    {138, "skc_to_tcp_timewait_sock", kSockets},
    {139, "skc_to_tcp_request_sock", kSockets},
    {140, "skc_to_udp6_sock", kSockets},
    {142, "load_hdr_opt", kSockets},
    {143, "store_hdr_opt", kSockets},
    {144, "reserve_hdr_opt", kSockets},
    {145, "inode_storage_get", kFiles},
    {146, "inode_storage_delete", kFiles},
    {147, "d_path", kFiles},
    {150, "seq_printf_btf", kIterators},
    {151, "skb_cgroup_classid", kPackets},
    {152, "redirect_neigh", kPackets},
    {153, "per_cpu_ptr", kPerCpuVariables},
    {154, "this_cpu_ptr", kPerCpuVariables},
    {155, "redirect_peer", kPackets},
    {159, "bprm_opts_set", kFiles},
    {161, "ima_inode_hash", kIntegrity},
    {162, "sock_from_file", kSockets},
    {163, "check_mtu", kPackets},
    {166, "sys_bpf", kLoaders},
    {167, "btf_find_by_name_kind", kLoaders},
    {168, "sys_close", kLoaders},
    {178, "skc_to_unix_sock", kSockets},
    {179, "kallsyms_lookup_name", kLoaders},
    {186, "get_retval", kCgroups},
    {187, "set_retval", kCgroups},
    {188, "xdp_get_buff_len", kPackets},
    {189, "xdp_load_bytes", kPackets},
    {190, "xdp_store_bytes", kPackets},
    {192, "skb_set_tstamp", kPackets},
    {193, "ima_file_hash", kIntegrity},
    {194, "kptr_xchg", "moves pointers to the kernel's objects, which no value holds here"},
    {196, "skc_to_mptcp_sock", kSockets},
    {204, "tcp_raw_gen_syncookie_ipv4", kSecret},
    {205, "tcp_raw_gen_syncookie_ipv6", kSecret},
    {206, "tcp_raw_check_syncookie_ipv4", kSecret},
    {207, "tcp_raw_check_syncookie_ipv6", kSecret},
};

}  // namespace

std::span<const AbsentHelper> AbsentHelpers() { return kAbsent; }

const AbsentHelper* FindAbsentHelper(std::uint32_t id) {
  const auto* row = std::find_if(std::begin(kAbsent), std::end(kAbsent), [id](const auto& r) { return r.id == id; });
  return row == std::end(kAbsent) ? nullptr : row;
}

}  // namespace strata::verifier
