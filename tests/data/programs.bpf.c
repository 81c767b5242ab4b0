// Programs, subprograms and global variables of every kind that a section can hold.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct event {
  __u32 pid;
  char comm[16];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, struct event);
} events SEC(".maps");

__u64 counter;                    // .bss
static __u32 hidden_counter;      // .bss, static
int threshold = 42;               // .data
__weak int weak_limit = 7;        // .data
struct event last = {.pid = 1, .comm = "none"};
const volatile int target_pid = 1234;  // .rodata
const volatile char greeting[8] = "hello";
__u64 hits SEC(".data.hits") = 3;

static __noinline int twice(int value) { return value * 2 + hidden_counter; }

static __noinline int four_times(int value) { return twice(value) + twice(value + 1); }

__noinline int checked(struct pt_regs* ctx) {
  volatile int result = 5;
  if (!ctx) return 0;
  return result;
}

__noinline __hidden int hidden_helper(int value) {
  volatile int sum = value;
  return sum + threshold;
}

static long on_element(void* map, __u32* key, struct event* value, void* context) {
  counter += value->pid;
  return 0;
}

SEC("uprobe/libc.so.6:malloc")
int on_malloc(struct pt_regs* ctx) {
  __u32 key = target_pid;
  struct event* event = bpf_map_lookup_elem(&events, &key);
  if (event) counter += four_times(event->pid) + hidden_helper(last.pid);
  hits++;
  return checked(ctx);
}

SEC("uprobe/libc.so.6:malloc")
int on_malloc_too(struct pt_regs* ctx) {
  bpf_for_each_map_elem(&events, on_element, 0, 0);
  bpf_printk("%s %d", greeting, weak_limit);
  hidden_counter++;
  return four_times(threshold);
}

SEC("?uretprobe//usr/bin/sort:main+0x4")
int on_return(struct pt_regs* ctx) {
  return 0;
}

SEC("uretprobe.s")
int sleepable(struct pt_regs* ctx) {
  return twice(counter);
}

SEC("mystery")
int of_no_kind(void* ctx) {
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
__u32 kernel_version SEC("version") = 0x060102;
