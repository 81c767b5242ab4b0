// What the verbs that look at the userspace registry are shown: typed maps, a program that prints.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

enum color { RED, BLUE = 7 };

struct event {
  int pid;
  char comm[8];
  enum color color;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, struct event);
} kept_events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} kept_counts SEC(".maps");

SEC("uprobe")
int on_call(struct pt_regs* ctx) {
  __u32 key = 0;
  __u64* count = bpf_map_lookup_elem(&kept_counts, &key);
  if (count) *count += 1;
  struct event* event = bpf_map_lookup_elem(&kept_events, &key);
  if (event) event->color = BLUE;
  bpf_printk("called %d times", 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
