// Sizes that a program asks malloc for, and how long each call takes.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define SLOTS 32

// A value with an array called `slots` is printed as a power-of-two histogram: slot n counts values in [2^n, 2^(n+1)).
struct histogram {
  __u64 slots[SLOTS];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct histogram);
} sizes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct histogram);
} latency_ns SEC(".maps");

// When each thread entered malloc; an entry lives as long as the call.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, __u32);
  __type(value, __u64);
} in_flight SEC(".maps");

static __always_inline __u32 log2_slot(__u64 value) {
  __u32 slot = 0;
  if (value >> 32) return SLOTS - 1;
  __u32 rest = value;
  if (rest >> 16) { slot += 16; rest >>= 16; }
  if (rest >> 8) { slot += 8; rest >>= 8; }
  if (rest >> 4) { slot += 4; rest >>= 4; }
  if (rest >> 2) { slot += 2; rest >>= 2; }
  if (rest >> 1) slot += 1;
  return slot;
}

static __always_inline void count(void* map, __u64 value) {
  __u32 zero = 0;
  struct histogram* histogram = bpf_map_lookup_elem(map, &zero);
  if (!histogram) return;
  __u32 slot = log2_slot(value);
  if (slot < SLOTS) __sync_fetch_and_add(&histogram->slots[slot], 1);
}

SEC("uprobe/libc.so.6:malloc")
int on_malloc(struct pt_regs* ctx) {
  __u32 thread = bpf_get_current_pid_tgid();
  __u64 now = bpf_ktime_get_ns();
  count(&sizes, PT_REGS_PARM1(ctx));
  bpf_map_update_elem(&in_flight, &thread, &now, BPF_ANY);
  return 0;
}

SEC("uretprobe/libc.so.6:malloc")
int on_malloc_return(struct pt_regs* ctx) {
  __u32 thread = bpf_get_current_pid_tgid();
  __u64* entered = bpf_map_lookup_elem(&in_flight, &thread);
  if (!entered) return 0;
  count(&latency_ns, bpf_ktime_get_ns() - *entered);
  bpf_map_delete_elem(&in_flight, &thread);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
