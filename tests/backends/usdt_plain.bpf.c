// A program at a USDT probe that reads no arguments, and so has no map of their places.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __s64);
} cookies SEC(".maps");

SEC("usdt")
int add_cookie(struct pt_regs* ctx) {
  __u32 zero = 0;
  __s64* sum = bpf_map_lookup_elem(&cookies, &zero);
  if (sum) __sync_fetch_and_add(sum, bpf_get_attach_cookie(ctx));
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
