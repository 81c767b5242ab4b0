// Each program calls one helper many times and writes down how long that took.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
  int pid;
  struct task_struct* real_parent;
} __attribute__((preserve_access_index));

enum { CALLS = 1000 };

__u64 source;         // address of memory to read: a word, or a string
__u64 elapsed_ns;     // of CALLS calls and of the loop around them
__u64 sink;

#define MEASURE(name, call)                 \
  SEC("syscall")                            \
  int name(void* ctx) {                     \
    const void* from = (const void*)source; \
    char room[64] = {};                     \
    __u64 sum = 0;                          \
    __u64 start = bpf_ktime_get_ns();       \
    for (int i = 0; i < CALLS; ++i) {       \
      sum += (__u64)(call);                 \
      asm volatile("" : "+r"(sum));         \
    }                                       \
    elapsed_ns = bpf_ktime_get_ns() - start; \
    sink = sum + room[0] + (__u64)from;     \
    return 0;                               \
  }

MEASURE(nothing, 1)
MEASURE(ktime, bpf_ktime_get_ns())
MEASURE(pid_tgid, bpf_get_current_pid_tgid())
MEASURE(uid_gid, bpf_get_current_uid_gid())
MEASURE(comm, bpf_get_current_comm(room, 16))
MEASURE(prandom, bpf_get_prandom_u32())
MEASURE(probe_read, bpf_probe_read_user(room, 8, from))
MEASURE(probe_read_64, bpf_probe_read_user(room, 64, from))
MEASURE(probe_read_str, bpf_probe_read_user_str(room, 64, from))

MEASURE(current_task, bpf_get_current_task())
MEASURE(task_pid, BPF_CORE_READ((struct task_struct*)bpf_get_current_task(), pid))
MEASURE(task_parent, BPF_CORE_READ((struct task_struct*)bpf_get_current_task(), real_parent, pid))

char LICENSE[] SEC("license") = "GPL";
