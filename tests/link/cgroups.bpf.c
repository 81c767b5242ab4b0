// Programs that decide for the processes of a cgroup.
#include "packet.h"

__u32 packets;        // that left the cgroup, marked with C
__u32 more_packets;   // the same, by another program
__u32 port_from, port_to;

SEC("cgroup_skb/egress")
int drops(struct __sk_buff* skb) {
  return FirstOfText((void*)(long)skb->data, (void*)(long)skb->data_end) != 'D';
}

SEC("cgroup_skb/egress")
int counts(struct __sk_buff* skb) {
  if (FirstOfText((void*)(long)skb->data, (void*)(long)skb->data_end) == 'C') packets++;
  return 1;
}

SEC("cgroup_skb/egress")
int counts_too(struct __sk_buff* skb) {
  if (FirstOfText((void*)(long)skb->data, (void*)(long)skb->data_end) == 'C') more_packets++;
  return 1;
}

SEC("cgroup/skb")
int on_either_side(struct __sk_buff* skb) {
  return FirstOfText((void*)(long)skb->data, (void*)(long)skb->data_end) != 'D';
}

SEC("cgroup/connect4")
int redirects(struct bpf_sock_addr* ctx) {
  if (bpf_ntohs(ctx->user_port) == port_from) ctx->user_port = bpf_htons(port_to);
  return 1;
}

SEC("cgroup/sock_create")
int refuses_packets(struct bpf_sock* sk) {
  return sk->type != 2;  // SOCK_DGRAM
}

SEC("cgroup/getsockopt")
int answers(struct bpf_sockopt* ctx) {
  __u8* value = ctx->optval;
  if (ctx->level != 0 || ctx->optname != 1 || (void*)(value + 1) > ctx->optval_end) return 1;  // IP_TOS
  *value = 0x55;
  return 1;
}

SEC("cgroup/sysctl")
int protects(struct bpf_sysctl* ctx) {
  return ctx->write == 0;
}

SEC("cgroup/dev")
int hides_zeros(struct bpf_cgroup_dev_ctx* ctx) {
  return !(ctx->major == 1 && ctx->minor == 5);
}

char LICENSE[] SEC("license") = "GPL";
