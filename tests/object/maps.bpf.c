// Maps, and programs each of which needs some of them.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __u64);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} counters SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} settings SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} unused SEC(".maps");

struct locked_count {
  struct bpf_spin_lock lock;
  __u32 count;
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct locked_count);
} locked SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, __u64);
} storage SEC(".maps");

__u64 factor SEC(".data.samples") = 1;
__u64 samples[4] SEC(".data.samples") = {1, 2, 3, 4};

int target(struct __sk_buff* skb);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(values, int(struct __sk_buff*));
} jumps SEC(".maps") = {
    .values = {[1] = (void*)&target},
};

SEC("tc")
int counts(struct __sk_buff* skb) {
  __u32 key = skb->mark;
  __u64 one = 1, *count = bpf_map_lookup_elem(&counters, &key);
  if (count) return (int)++*count;
  bpf_map_update_elem(&counters, &key, &one, BPF_ANY);
  return 1;
}

static __attribute__((noinline)) __u32 setting(__u32 index) {
  __u32* value = bpf_map_lookup_elem(&settings, &index);
  return value ? *value : 0;
}

SEC("tc")
int reads_setting(struct __sk_buff* skb) { return (int)setting(skb->mark); }

SEC("tc")
int target(struct __sk_buff* skb) { return 7; }

SEC("tc")
int jumps_to_target(struct __sk_buff* skb) {
  bpf_tail_call(skb, &jumps, 1);
  return -1;
}

SEC("tc")
int locks(struct __sk_buff* skb) {
  __u32 key = 0;
  struct locked_count* value = bpf_map_lookup_elem(&locked, &key);
  if (!value) return -1;
  bpf_spin_lock(&value->lock);
  __u32 count = ++value->count;
  bpf_spin_unlock(&value->lock);
  return (int)count;
}

SEC("tc")
int reads_sample(struct __sk_buff* skb) {
  __u32 index = skb->mark;
  if (index >= 64) return -1;
  return (int)(samples[index] * factor);
}

SEC("?tc")
int reads_nowhere(struct __sk_buff* skb) { return *(volatile int*)0x1234; }

char LICENSE[] SEC("license") = "GPL";
