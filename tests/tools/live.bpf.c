// What the verbs that look at live objects are shown: maps of several types, a program that touches them.
#include <linux/bpf.h>

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
} live_events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} live_counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __uint(key_size, 2);
  __uint(value_size, 3);
} live_plain SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} live_jumps SEC(".maps");

SEC("socket")
int live_filter(struct __sk_buff* skb) {
  __u32 key = 0;
  __u64* count = bpf_map_lookup_elem(&live_counts, &key);
  if (count) *count += 1;
  key = skb->len;
  if (bpf_map_lookup_elem(&live_events, &key)) bpf_map_delete_elem(&live_plain, &key);
  bpf_tail_call(skb, &live_jumps, 0);
  return 1;
}

#ifdef REJECTED
SEC("socket")
int live_rejected(struct __sk_buff* skb) {
  __u32 key = skb->len;
  __u64* count = bpf_map_lookup_elem(&live_counts, &key);
  return *count;
}
#endif

char LICENSE[] SEC("license") = "GPL";
