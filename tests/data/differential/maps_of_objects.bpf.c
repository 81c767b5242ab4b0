// Maps whose elements are other objects: maps, programs, devices, processors, sockets, groups.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct inner {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} inner_a SEC(".maps"), inner_b SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(values, struct inner);
} outer_array SEC(".maps") = {
    .values = {[0] = &inner_a, [3] = &inner_b},
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 4);
  __uint(key_size, 4);
  __array(
      values, struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, 8);
        __type(key, __u64);
        __type(value, __u32);
      });
} outer_hash SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, struct bpf_devmap_val);
} devices SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, __u32);
} devices_by_number SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CPUMAP);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct bpf_cpumap_val);
} processors SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} queues SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} sockets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SOCKHASH);
  __uint(max_entries, 4);
  __type(key, __u64);
  __type(value, __u32);
} sockets_by_key SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} listeners SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
  __uint(max_entries, 1);
  __uint(key_size, 4);
  __uint(value_size, 4);
} groups SEC(".maps");

SEC("socket")
int looks_into_an_inner_map(struct __sk_buff* skb) {
  __u32 slot = 3, key = 0;
  void* inner = bpf_map_lookup_elem(&outer_array, &slot);
  if (!inner) return 0;
  __u32* value = bpf_map_lookup_elem(inner, &key);
  return value ? *value : 0;
}

SEC("socket")
int looks_into_a_hash_of_hashes(struct __sk_buff* skb) {
  __u32 slot = skb->mark;
  __u64 key = skb->len;
  void* inner = bpf_map_lookup_elem(&outer_hash, &slot);
  if (!inner) return 0;
  __u32* value = bpf_map_lookup_elem(inner, &key);
  return value ? *value : 0;
}

SEC("xdp")
int redirects_to_a_device(struct xdp_md* ctx) {
  return bpf_redirect_map(&devices, ctx->rx_queue_index, XDP_PASS);
}

SEC("xdp")
int redirects_to_a_numbered_device(struct xdp_md* ctx) {
  return bpf_redirect_map(&devices_by_number, ctx->ingress_ifindex, 0);
}

SEC("xdp")
int redirects_to_a_processor(struct xdp_md* ctx) {
  return bpf_redirect_map(&processors, 1, 0);
}

SEC("xdp")
int redirects_to_a_socket(struct xdp_md* ctx) {
  __u32 queue = ctx->rx_queue_index;
  if (bpf_map_lookup_elem(&queues, &queue)) return bpf_redirect_map(&queues, queue, 0);
  return XDP_PASS;
}

SEC("sk_skb/stream_verdict")
int redirects_a_stream(struct __sk_buff* skb) {
  return bpf_sk_redirect_map(skb, &sockets, 0, 0);
}

SEC("sk_skb/stream_parser")
int parses_a_stream(struct __sk_buff* skb) {
  return skb->len;
}

SEC("sk_msg")
int redirects_a_message(struct sk_msg_md* msg) {
  __u64 key = msg->remote_port;
  return bpf_msg_redirect_hash(msg, &sockets_by_key, &key, BPF_F_INGRESS);
}

SEC("sockops")
int collects_sockets(struct bpf_sock_ops* ops) {
  __u64 key = ops->local_port;
  bpf_sock_hash_update(ops, &sockets_by_key, &key, BPF_NOEXIST);
  return 1;
}

SEC("sk_reuseport")
int selects_a_listener(struct sk_reuseport_md* md) {
  __u32 key = md->hash & 3;
  bpf_sk_select_reuseport(md, &listeners, &key, 0);
  return SK_PASS;
}

SEC("tc")
int asks_for_a_group(struct __sk_buff* skb) {
  return bpf_skb_under_cgroup(skb, &groups, 0);
}

char LICENSE[] SEC("license") = "GPL";
