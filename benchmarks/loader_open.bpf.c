// A large object to open: 200 programs with maps, variables, subprograms and CO-RE.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
  int pid;
  int tgid;
  struct task_struct* real_parent;
} __attribute__((preserve_access_index));

struct key {
  __u64 address;
  __u32 pid;
  __u32 program;
};

struct value {
  __u64 count;
  __u64 time_ns;
  char name[16];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, struct key);
  __type(value, struct value);
} values SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 262144);
} events SEC(".maps");

const volatile __u32 wanted_pid;
const volatile __u64 threshold_ns = 1000;
__u64 total;
__u64 last_time_ns = 1;

static __attribute__((noinline)) void count(__u32 slot) {
  __u64* value = bpf_map_lookup_elem(&counts, &slot);
  if (value) *value += 1;
}

static __attribute__((noinline)) int record(struct pt_regs* ctx, __u32 program) {
  struct key key = {.address = PT_REGS_IP(ctx), .pid = (__u32)bpf_get_current_pid_tgid(), .program = program};
  struct value* value = bpf_map_lookup_elem(&values, &key);
  if (value) {
    value->count++;
    value->time_ns = bpf_ktime_get_ns();
    return 0;
  }
  struct value fresh = {.count = 1};
  bpf_get_current_comm(fresh.name, sizeof(fresh.name));
  return bpf_map_update_elem(&values, &key, &fresh, BPF_NOEXIST);
}

#define PROGRAM(n)                                                                  \
  SEC("kprobe/function_" #n)                                                        \
  int on_function_##n(struct pt_regs* ctx) {                                        \
    struct task_struct* task = (struct task_struct*)bpf_get_current_task();         \
    if (wanted_pid && BPF_CORE_READ(task, tgid) != wanted_pid) return 0;            \
    __u64 now = bpf_ktime_get_ns();                                                 \
    if (now - last_time_ns < threshold_ns) {                                        \
      total += PT_REGS_PARM1(ctx);                                                  \
      count(1##n - 1000);                                                           \
    }                                                                               \
    __u64* event = bpf_ringbuf_reserve(&events, 16, 0);                             \
    if (event) {                                                                    \
      event[0] = now;                                                               \
      event[1] = BPF_CORE_READ(task, real_parent, pid);                             \
      bpf_ringbuf_submit(event, 0);                                                 \
    }                                                                               \
    last_time_ns = now;                                                             \
    return record(ctx, 1##n - 1000);                                                \
  }

#define TEN(n) PROGRAM(n##0) PROGRAM(n##1) PROGRAM(n##2) PROGRAM(n##3) PROGRAM(n##4) \
  PROGRAM(n##5) PROGRAM(n##6) PROGRAM(n##7) PROGRAM(n##8) PROGRAM(n##9)
#define HUNDRED(n) TEN(n##0) TEN(n##1) TEN(n##2) TEN(n##3) TEN(n##4) TEN(n##5) TEN(n##6) TEN(n##7) TEN(n##8) TEN(n##9)
HUNDRED(0)
HUNDRED(1)

char LICENSE[] SEC("license") = "GPL";
