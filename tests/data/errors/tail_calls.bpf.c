// A table of programs that has one of another type in it.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

int as_xdp(struct xdp_md* ctx);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __array(values, int());
} table SEC(".maps") = {.values = {[1] = (void*)&as_xdp}};

SEC("tc")
int jumps(struct __sk_buff* skb) {
  bpf_tail_call(skb, &table, 1);
  return 0;
}

SEC("xdp")
int as_xdp(struct xdp_md* ctx) {
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
