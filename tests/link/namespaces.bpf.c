// Programs of a network namespace and of its netfilter hooks.
#include <linux/in.h>
#include <linux/pkt_cls.h>

#include "packet.h"

enum { kNext = -1 };  // TCX_NEXT

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u32);
} sockets SEC(".maps");

__u32 port;  // whose packets another socket gets
__u32 dissected;
__u32 dropped_length;

SEC("sk_lookup")
int steers(struct bpf_sk_lookup* ctx) {
  if (ctx->local_port != port) return SK_PASS;
  __u32 key = 0;
  struct bpf_sock* sk = bpf_map_lookup_elem(&sockets, &key);
  if (sk == 0) return SK_DROP;
  bpf_sk_assign(ctx, sk, 0);
  bpf_sk_release(sk);
  return SK_PASS;
}

SEC("sk_lookup")
int refuses(struct bpf_sk_lookup* ctx) {
  return ctx->local_port == port ? SK_DROP : SK_PASS;
}

SEC("flow_dissector")
int dissects(struct __sk_buff* skb) {
  dissected++;
  return BPF_OK;
}

// Makes the kernel look at a packet's headers.
SEC("tcx/ingress")
int hashes(struct __sk_buff* skb) {
  bpf_set_hash_invalid(skb);
  bpf_get_hash_recalc(skb);
  return kNext;
}

struct sk_buff {
  unsigned int len;
} __attribute__((preserve_access_index));
struct bpf_nf_ctx {
  struct sk_buff* skb;
} __attribute__((preserve_access_index));

SEC("netfilter")
int filters(struct bpf_nf_ctx* ctx) {
  enum { kDrop = 0, kAccept = 1 };
  return ctx->skb->len == dropped_length ? kDrop : kAccept;
}

char LICENSE[] SEC("license") = "GPL";
