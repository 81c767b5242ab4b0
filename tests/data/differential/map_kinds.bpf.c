// A map of each kind that a program may look into, and programs that do.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define MAP(name, kind, entries, key_type, value_type, ...) \
  struct {                                                  \
    __uint(type, kind);                                     \
    __uint(max_entries, entries);                           \
    __type(key, key_type);                                  \
    __type(value, value_type);                              \
    __VA_ARGS__                                             \
  } name SEC(".maps")

struct prefix {
  __u32 length;
  __u8 address[4];
};

MAP(hash, BPF_MAP_TYPE_HASH, 100, __u32, __u64, );
MAP(hash_no_prealloc, BPF_MAP_TYPE_HASH, 100, __u64, __u64, __uint(map_flags, BPF_F_NO_PREALLOC););
MAP(array, BPF_MAP_TYPE_ARRAY, 10, __u32, __u64, );
MAP(array_mmapable, BPF_MAP_TYPE_ARRAY, 10, __u32, __u64, __uint(map_flags, BPF_F_MMAPABLE););
MAP(per_cpu_hash, BPF_MAP_TYPE_PERCPU_HASH, 10, __u32, __u64, );
MAP(per_cpu_array, BPF_MAP_TYPE_PERCPU_ARRAY, 10, __u32, __u32, );
MAP(lru, BPF_MAP_TYPE_LRU_HASH, 128, __u32, __u64, );
MAP(lru_per_cpu, BPF_MAP_TYPE_LRU_PERCPU_HASH, 128, __u32, __u64, );
MAP(lru_of_each_cpu, BPF_MAP_TYPE_LRU_HASH, 128, __u32, __u64, __uint(map_flags, BPF_F_NO_COMMON_LRU););
MAP(trie, BPF_MAP_TYPE_LPM_TRIE, 16, struct prefix, __u32, __uint(map_flags, BPF_F_NO_PREALLOC););

struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, 16);
  __type(value, __u64);
} queue SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK);
  __uint(max_entries, 16);
  __type(value, __u64);
} stack SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
  __uint(max_entries, 100);
  __type(value, __u32);
  __uint(map_extra, 3);
} bloom SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK_TRACE);
  __uint(max_entries, 16);
  __uint(key_size, 4);
  __uint(value_size, 127 * 8);
} stacks SEC(".maps");

SEC("socket")
int uses_hashes(struct __sk_buff* skb) {
  __u32 key = skb->len;
  __u64 wide = key, one = 1;
  __u64* found = bpf_map_lookup_elem(&hash, &key);
  if (found) __sync_fetch_and_add(found, 1);
  bpf_map_update_elem(&hash_no_prealloc, &wide, &one, BPF_NOEXIST);
  bpf_map_delete_elem(&hash, &key);
  return 0;
}

SEC("socket")
int uses_arrays(struct __sk_buff* skb) {
  __u32 key = skb->len & 7;
  __u64* value = bpf_map_lookup_elem(&array, &key);
  if (value) *value += 2;
  value = bpf_map_lookup_elem(&array_mmapable, &key);
  if (value) *value += 3;
  return 0;
}

SEC("socket")
int uses_per_cpu_maps(struct __sk_buff* skb) {
  __u32 key = 3;
  __u64 zero = 0;
  __u32* narrow = bpf_map_lookup_elem(&per_cpu_array, &key);
  if (narrow) *narrow += 1;
  bpf_map_update_elem(&per_cpu_hash, &key, &zero, BPF_ANY);
  return 0;
}

SEC("socket")
int uses_lru_maps(struct __sk_buff* skb) {
  __u32 key = skb->mark;
  __u64 value = skb->len;
  bpf_map_update_elem(&lru, &key, &value, BPF_ANY);
  bpf_map_update_elem(&lru_per_cpu, &key, &value, BPF_ANY);
  bpf_map_update_elem(&lru_of_each_cpu, &key, &value, BPF_ANY);
  return 0;
}

SEC("socket")
int uses_a_trie(struct __sk_buff* skb) {
  struct prefix prefix = {.length = 32, .address = {127, 0, 0, 1}};
  __u32* value = bpf_map_lookup_elem(&trie, &prefix);
  return value ? *value : 0;
}

SEC("socket")
int uses_queues(struct __sk_buff* skb) {
  __u64 value = skb->len;
  bpf_map_push_elem(&queue, &value, BPF_EXIST);
  bpf_map_push_elem(&stack, &value, 0);
  bpf_map_pop_elem(&stack, &value);
  bpf_map_peek_elem(&queue, &value);
  return value;
}

SEC("socket")
int uses_a_bloom_filter(struct __sk_buff* skb) {
  __u32 value = skb->len;
  if (bpf_map_peek_elem(&bloom, &value) != 0) bpf_map_push_elem(&bloom, &value, 0);
  return 0;
}

SEC("raw_tp/sys_enter")
int uses_stack_traces(struct bpf_raw_tracepoint_args* ctx) {
  return bpf_get_stackid(ctx, &stacks, 0);
}

char LICENSE[] SEC("license") = "GPL";
