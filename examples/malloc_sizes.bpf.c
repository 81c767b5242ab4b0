// How often a process asks malloc for each size.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct request {
  __u64 count;
  __u32 last_thread;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u64);
  __type(value, struct request);
} sizes SEC(".maps");

const volatile __u64 min_bytes = 0;
__u64 calls;

SEC("uprobe/libc.so.6:malloc")
int on_malloc(struct pt_regs* ctx) {
  __u64 size = PT_REGS_PARM1(ctx);
  if (size < min_bytes) return 0;
  __sync_fetch_and_add(&calls, 1);
  struct request first = {.count = 1, .last_thread = bpf_get_current_pid_tgid()};
  struct request* request = bpf_map_lookup_elem(&sizes, &size);
  if (request) {
    __sync_fetch_and_add(&request->count, 1);
    request->last_thread = first.last_thread;
  } else {
    bpf_map_update_elem(&sizes, &size, &first, BPF_ANY);
  }
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
