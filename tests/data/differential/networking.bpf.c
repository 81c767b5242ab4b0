// Sections of programs that see packets.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

__u64 packets;

static __attribute__((noinline)) int is_ip(void* data, void* end) {
  struct ethhdr* header = data;
  if (data + sizeof(*header) > end) return 0;
  return header->h_proto == bpf_htons(ETH_P_IP);
}

SEC("socket")
int filters(struct __sk_buff* skb) {
  __u8 protocol;
  bpf_skb_load_bytes(skb, ETH_HLEN + 9, &protocol, 1);
  return protocol == 6 ? skb->len : 0;
}

SEC("xdp")
int drops_short_packets(struct xdp_md* ctx) {
  void* data = (void*)(long)ctx->data;
  void* end = (void*)(long)ctx->data_end;
  if (data + 60 > end) return XDP_DROP;
  packets += is_ip(data, end);
  return XDP_PASS;
}

SEC("xdp.frags")
int takes_fragments(struct xdp_md* ctx) {
  __u8 byte = 0;
  bpf_xdp_load_bytes(ctx, 0, &byte, 1);
  return byte == 0xff ? XDP_DROP : XDP_PASS;
}

SEC("xdp/devmap")
int runs_behind_a_devmap(struct xdp_md* ctx) {
  return ctx->egress_ifindex == 1 ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags/cpumap")
int runs_behind_a_cpumap(struct xdp_md* ctx) {
  return XDP_PASS;
}

SEC("tc")
int classifies(struct __sk_buff* skb) {
  void* data = (void*)(long)skb->data;
  void* end = (void*)(long)skb->data_end;
  if (data + sizeof(struct ethhdr) + sizeof(struct iphdr) > end) return TC_ACT_OK;
  struct iphdr* ip = data + sizeof(struct ethhdr);
  skb->mark = ip->ttl;
  return TC_ACT_OK;
}

SEC("classifier")
int classifies_by_its_old_name(struct __sk_buff* skb) {
  skb->tc_index = 3;
  return TC_ACT_UNSPEC;
}

SEC("action")
int acts(struct __sk_buff* skb) {
  return bpf_skb_change_type(skb, 0) ? TC_ACT_SHOT : TC_ACT_PIPE;
}

SEC("lwt_in")
int lightweight_in(struct __sk_buff* skb) {
  return BPF_OK;
}

SEC("lwt_out")
int lightweight_out(struct __sk_buff* skb) {
  return skb->len > 1500 ? BPF_DROP : BPF_OK;
}

SEC("lwt_xmit")
int lightweight_transmit(struct __sk_buff* skb) {
  bpf_skb_change_head(skb, 14, 0);
  return BPF_OK;
}

SEC("lwt_seg6local")
int lightweight_segment(struct __sk_buff* skb) {
  packets += skb->hash;
  return BPF_OK;
}

SEC("flow_dissector")
int dissects(struct __sk_buff* skb) {
  struct bpf_flow_keys* keys = skb->flow_keys;
  keys->thoff = keys->nhoff + sizeof(struct iphdr);
  return BPF_OK;
}

SEC("sk_lookup")
int looks_up(struct bpf_sk_lookup* ctx) {
  return ctx->local_port == 7777 ? SK_DROP : SK_PASS;
}

SEC("sk_reuseport/migrate")
int migrates(struct sk_reuseport_md* md) {
  return md->len > 100 ? SK_PASS : SK_DROP;
}

SEC("sk_skb")
int sees_a_stream(struct __sk_buff* skb) {
  return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
