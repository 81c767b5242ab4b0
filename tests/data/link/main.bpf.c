// Uses what helper.bpf.c and third.bpf.c define.
#include "shared.h"

extern int add(int a, int b);
extern int limit;
extern struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, struct event);
} events SEC(".maps");
extern unsigned int LINUX_KERNEL_VERSION __kconfig;

static int calls = 1;  // helper.bpf.c has one, too
__u64 total;
const volatile int target = 7;
__weak int chosen = 1;  // helper.bpf.c defines it for good

static __noinline int twice(int value) { return value * 2 + calls; }

__weak __noinline int policy(int value) {
  volatile int result = value;
  return result + 100;
}

SEC("socket")
int first(struct __sk_buff* skb) {
  __u32 key = target;
  struct event* event = bpf_map_lookup_elem(&events, &key);
  if (event) total += event->pid;
  calls++;
  return add(twice(limit), chosen) + policy(total) + (LINUX_KERNEL_VERSION > 0);
}

SEC("kprobe")
int reads_task(void* ctx) {
  struct task_struct* task = (void*)bpf_get_current_task();
  return BPF_CORE_READ(task, tgid);
}

char LICENSE[] SEC("license") = "GPL";
