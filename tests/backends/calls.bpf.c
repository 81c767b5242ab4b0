// Counts calls of a function, its arguments and its results.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum { ENTRIES, ARGUMENT_SUM, RETURNS, RESULT_SUM, COOKIE, SLOTS };

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, SLOTS);
  __type(key, __u32);
  __type(value, __u64);
} totals SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} per_cpu_calls SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u64);
  __type(value, __u64);
} by_argument SEC(".maps");

static __always_inline void add(__u32 slot, __u64 amount) {
  __u64* total = bpf_map_lookup_elem(&totals, &slot);
  if (total) __sync_fetch_and_add(total, amount);
}

SEC("uprobe")
int on_entry(struct pt_regs* ctx) {
  __u64 first = PT_REGS_PARM1(ctx);
  add(ENTRIES, 1);
  add(ARGUMENT_SUM, first + 2 * PT_REGS_PARM2(ctx) + 3 * PT_REGS_PARM3(ctx));
  add(COOKIE, bpf_get_attach_cookie(ctx));
  __u64 one = 1;
  __u64* seen = bpf_map_lookup_elem(&by_argument, &first);
  if (seen) {
    __sync_fetch_and_add(seen, 1);
  } else {
    bpf_map_update_elem(&by_argument, &first, &one, BPF_NOEXIST);
  }
  return 0;
}

SEC("uretprobe")
int on_return(struct pt_regs* ctx) {
  add(RETURNS, 1);
  add(RESULT_SUM, PT_REGS_RC(ctx));
  return 0;
}

// A plain increment: exact only if no other run uses the same slot meanwhile.
SEC("uprobe")
int count_per_cpu(struct pt_regs* ctx) {
  __u32 zero = 0;
  __u64* calls = bpf_map_lookup_elem(&per_cpu_calls, &zero);
  if (calls) *calls += 1;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
