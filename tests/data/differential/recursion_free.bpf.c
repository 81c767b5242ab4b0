// A diamond, a chain of seven, and functions that only some programs reach.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

static __attribute__((noinline)) int count(__u32 slot) {
  __u64* value = bpf_map_lookup_elem(&counts, &slot);
  if (value) __sync_fetch_and_add(value, 1);
  return slot;
}

static __attribute__((noinline)) int left(__u32 a) { return count(a & 3) + 1; }
static __attribute__((noinline)) int right(__u32 a) { return count((a >> 1) & 3) + 2; }
static __attribute__((noinline)) int diamond(__u32 a) { return left(a) + right(a); }

#define STEP(n, next) \
  static __attribute__((noinline)) int chain##n(__u32 a) { return next(a + n) + n; }
STEP(1, count)
STEP(2, chain1)
STEP(3, chain2)
STEP(4, chain3)
STEP(5, chain4)
STEP(6, chain5)

SEC("cgroup_skb/ingress")
int reaches_a_diamond(struct __sk_buff* skb) {
  return diamond(skb->len) & 1;
}

SEC("cgroup_skb/egress")
int reaches_a_chain(struct __sk_buff* skb) {
  return chain6(skb->len) & 1;
}

SEC("cgroup_skb/egress")
int reaches_a_chain_from_its_middle(struct __sk_buff* skb) {
  return (chain3(skb->len) + chain6(skb->len) + left(skb->mark)) & 1;
}

SEC("cgroup_skb/ingress")
int reaches_both_ends_first(struct __sk_buff* skb) {
  return (right(skb->len) + chain1(skb->len) + diamond(skb->mark) + chain2(skb->mark)) & 1;
}

char LICENSE[] SEC("license") = "GPL";
