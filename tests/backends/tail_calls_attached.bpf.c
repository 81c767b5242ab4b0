// A probe that hands its event on by a tail call.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} sums SEC(".maps");

int on_second(struct pt_regs* ctx);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __array(values, int(void*));
} targets SEC(".maps") = {.values = {[1] = (void*)&on_second}};

static __always_inline void add(__u32 slot, __u64 amount) {
  __u64* sum = bpf_map_lookup_elem(&sums, &slot);
  if (sum) *sum += amount;
}

SEC("uprobe")
int on_first(struct pt_regs* ctx) {
  bpf_tail_call(ctx, &targets, 1);
  return 0;
}

SEC("uprobe")
int on_second(struct pt_regs* ctx) {
  add(0, PT_REGS_PARM1(ctx));
  return 0;
}

SEC("uprobe")
int on_third(struct pt_regs* ctx) {
  add(1, PT_REGS_PARM2(ctx));
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
