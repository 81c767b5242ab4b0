// Counts the calls of strata_target_call in TARGET, all of them and those of each thread.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} calls SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 100);
  __type(key, __u32);
  __type(value, __u64);
} threads SEC(".maps");

SEC("uprobe/" TARGET ":strata_target_call")
int on_call(struct pt_regs* ctx) {
  __u32 slot = 0;
  __u64* count = bpf_map_lookup_elem(&calls, &slot);
  if (count) ++*count;
  __u32 thread = bpf_get_current_pid_tgid();
  __u64 one = 1;
  __u64* of_thread = bpf_map_lookup_elem(&threads, &thread);
  if (of_thread)
    ++*of_thread;
  else
    bpf_map_update_elem(&threads, &thread, &one, BPF_NOEXIST);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
