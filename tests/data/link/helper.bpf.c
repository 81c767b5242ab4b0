// Defines what main.bpf.c uses.
#include "shared.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, struct event);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

extern unsigned int LINUX_KERNEL_VERSION __kconfig;

int limit = 42;
int chosen = 2;
static int calls = 5;
const volatile char greeting[8] = "hello";

static __noinline int twice(int value) { return value + value + calls; }

__noinline int add(int a, int b) { return a + twice(b); }

__noinline int policy(int value) {
  volatile int result = value;
  return result - 1;
}

static long on_element(void* map, __u32* key, __u64* value, void* context) {
  calls += *value;
  return 0;
}

SEC("socket")
int second(struct __sk_buff* skb) {
  bpf_for_each_map_elem(&counts, on_element, 0, 0);
  return add(calls, greeting[0]) + (LINUX_KERNEL_VERSION != 0);
}

SEC("kprobe")
int reads_pid(void* ctx) {
  struct task_struct* task = (void*)bpf_get_current_task();
  return BPF_CORE_READ(task, pid);
}

char _license[] SEC("license") = "GPL";
