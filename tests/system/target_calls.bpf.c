// Counts the calls of strata_target_call in TARGET.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} calls SEC(".maps");

static __always_inline void count(__u32 slot, __u64 amount) {
  __u64* value = bpf_map_lookup_elem(&calls, &slot);
  if (value) __sync_fetch_and_add(value, amount);
}

SEC("uprobe/" TARGET ":strata_target_call")
int on_call(struct pt_regs* ctx) {
  count(0, PT_REGS_PARM1(ctx));
  return 0;
}

SEC("uretprobe/" TARGET ":strata_target_call")
int on_return(struct pt_regs* ctx) {
  count(1, PT_REGS_RC(ctx));
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
