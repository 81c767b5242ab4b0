// Programs of single sockets and of the sockets in a map.
#include "packet.h"

struct {
  __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u32);
} group SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u32);
} streams SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SOCKHASH);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u32);
} messages SEC(".maps");

__u32 parsed;
__u32 judged;

// A filter of a UDP socket sees the UDP header first.
SEC("socket")
int cuts(struct __sk_buff* skb) {
  char mark = 0;
  bpf_skb_load_bytes(skb, sizeof(struct udphdr), &mark, 1);
  if (mark == 'D') return 0;
  return mark == 'C' ? sizeof(struct udphdr) + 3 : 0xffff;
}

SEC("socket")
int keeps(struct __sk_buff* skb) {
  return 0xffff;
}

// The socket of the number that the packet starts with.
SEC("sk_reuseport")
int chooses(struct sk_reuseport_md* md) {
  char mark = 0;
  bpf_skb_load_bytes(md, sizeof(struct udphdr), &mark, 1);
  __u32 key = mark - '0';
  bpf_sk_select_reuseport(md, &group, &key, 0);
  return SK_PASS;
}

SEC("sk_skb/stream_parser")
int parses(struct __sk_buff* skb) {
  parsed++;
  return skb->len;
}

// What arrives at the socket of one number leaves by that of the other.
SEC("sk_skb/stream_verdict")
int forwards(struct __sk_buff* skb) {
  judged++;
  return bpf_sk_redirect_map(skb, &streams, 1, 0);
}

SEC("sk_skb/stream_verdict")
int keeps_here(struct __sk_buff* skb) {
  judged++;
  return SK_PASS;
}

SEC("sk_skb/verdict")
int passes(struct __sk_buff* skb) {
  judged++;
  return SK_PASS;
}

// What is sent by a socket of the map is received by the one of the key 1.
SEC("sk_msg")
int hands_over(struct sk_msg_md* msg) {
  __u32 key = 1;
  return bpf_msg_redirect_hash(msg, &messages, &key, BPF_F_INGRESS);
}

char LICENSE[] SEC("license") = "GPL";
