// Map kinds that programs of packets cannot use: each program does one operation many times and writes down how long
// that took.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

enum { CALLS = 1000, FRAMES = 64 };
#define MAP_TYPE_CGRP_STORAGE 32  // not in the headers of Linux 6.1

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct css_set {
  struct cgroup* dfl_cgrp;
};
struct task_struct {
  struct css_set* cgroups;
};

#pragma clang attribute pop

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} samples SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, __u64);
} per_task SEC(".maps");

struct {
  __uint(type, MAP_TYPE_CGRP_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, __u64);
} per_cgroup SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
  __uint(max_entries, 1);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} cgroups SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
  __uint(max_entries, 1 << 17);
} requests SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK_TRACE);
  __uint(max_entries, 1024);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, FRAMES * sizeof(__u64));
} stacks SEC(".maps");

__u64 elapsed_ns;   // of all operations and of the loop around them
__u64 done;         // operations that succeeded
__u64 frame_count;  // of the stack
__u64 room[FRAMES];

#define MEASURE(name, type, prepare, succeeds) \
  SEC(type)                                    \
  int name(void* ctx) {                        \
    __u64 count = 0;                           \
    prepare;                                   \
    __u64 start = bpf_ktime_get_ns();          \
    for (int i = 0; i < CALLS; ++i) {          \
      if (succeeds) count += 1;                \
      asm volatile("" : "+r"(count));          \
    }                                          \
    elapsed_ns = bpf_ktime_get_ns() - start;   \
    done = count;                              \
    return 0;                                  \
  }

MEASURE(nothing, "raw_tp", , i + 1)
MEASURE(perf_output, "raw_tp", __u64 sample[8] = {},
        bpf_perf_event_output(ctx, &samples, BPF_F_CURRENT_CPU, sample, sizeof(sample)) == 0)
MEASURE(task_storage, "raw_tp", struct task_struct* task = bpf_get_current_task_btf(),
        bpf_task_storage_get(&per_task, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE) != 0)
MEASURE(cgroup_storage, "raw_tp", struct cgroup* cgroup = bpf_get_current_task_btf()->cgroups->dfl_cgrp,
        bpf_cgrp_storage_get(&per_cgroup, cgroup, 0, BPF_LOCAL_STORAGE_GET_F_CREATE) != 0)
MEASURE(cgroup_array, "raw_tp", , bpf_current_task_under_cgroup(&cgroups, 0) == 1)

static long on_request(struct bpf_dynptr* request, void* context) { return 0; }

// User space has put CALLS records there.
SEC("raw_tp")
int user_ring(void* ctx) {
  __u64 start = bpf_ktime_get_ns();
  done = bpf_user_ringbuf_drain(&requests, on_request, 0, 0);
  elapsed_ns = bpf_ktime_get_ns() - start;
  return 0;
}

// At a function: user space's stack is what both backends know.
MEASURE(stack_trace, "uprobe", frame_count = bpf_get_stack(ctx, room, sizeof(room), BPF_F_USER_STACK) / sizeof(room[0]),
        bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK) >= 0)

char LICENSE[] SEC("license") = "GPL";
