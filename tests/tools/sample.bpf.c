// One of everything that the listings show.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
  int pid;
} __attribute__((preserve_access_index));

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, int);
  __type(value, __u64);
} hits SEC(".maps");

const volatile int wanted = 7;

static __noinline int pid_of(struct task_struct* task) { return BPF_CORE_READ(task, pid); }

SEC("kprobe/do_nothing")
int count(void* ctx) {
  int pid = pid_of((void*)bpf_get_current_task());
  __u64* hit = bpf_map_lookup_elem(&hits, &pid);
  if (hit && pid == wanted) __sync_fetch_and_add(hit, 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
