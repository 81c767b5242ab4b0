// Operations of map kinds in a loop, and the same loop without them.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

enum { LOOPS = 4096, PREFIXES = 10000 };

struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, 64);
  __type(value, __u64);
} queue SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK);
  __uint(max_entries, 64);
  __type(value, __u64);
} stack SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
  __uint(max_entries, 10000);
  __type(value, __u64);
} filter SEC(".maps");

struct prefix {
  __u32 bits;
  __u32 address;
};

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, PREFIXES + 16);
  __type(key, struct prefix);
  __type(value, __u64);
} trie SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} samples SEC(".maps");

static __always_inline struct prefix address_of(__u32 index) {
  struct prefix prefix = {.bits = 32, .address = index * 2654435761U};
  return prefix;
}

static long queue_turn(__u32 index, void* context) {
  __u64 value = index;
  bpf_map_push_elem(&queue, &value, 0);
  bpf_map_pop_elem(&queue, &value);
  return 0;
}

static long stack_turn(__u32 index, void* context) {
  __u64 value = index;
  bpf_map_push_elem(&stack, &value, 0);
  bpf_map_pop_elem(&stack, &value);
  return 0;
}

static long filter_push(__u32 index, void* context) {
  __u64 value = index;
  bpf_map_push_elem(&filter, &value, 0);
  return 0;
}

static long filter_peek(__u32 index, void* context) {
  __u64 value = index;
  bpf_map_peek_elem(&filter, &value);
  return 0;
}

static long trie_lookup(__u32 index, void* context) {
  struct prefix prefix = address_of(index);
  return bpf_map_lookup_elem(&trie, &prefix) == context;
}

static long trie_update(__u32 index, void* context) {
  struct prefix prefix = address_of(index % 16);
  __u64 value = index;
  bpf_map_update_elem(&trie, &prefix, &value, 0);
  return 0;
}

static long trie_turn(__u32 index, void* context) {
  struct prefix prefix = address_of(index % 16);
  __u64 value = index;
  bpf_map_update_elem(&trie, &prefix, &value, 0);
  bpf_map_delete_elem(&trie, &prefix);
  return 0;
}

static long nothing_turn(__u32 index, void* context) { return 0; }

#define LOOP(name, turn)                  \
  SEC("raw_tp") int name(void* context) { \
    bpf_loop(LOOPS, turn, &context, 0);   \
    return 0;                             \
  }

LOOP(queue_push_and_pop, queue_turn)
LOOP(stack_push_and_pop, stack_turn)
LOOP(bloom_filter_push, filter_push)
LOOP(bloom_filter_peek, filter_peek)
LOOP(lpm_trie_lookup, trie_lookup)
LOOP(lpm_trie_update, trie_update)
LOOP(lpm_trie_update_and_delete, trie_turn)
LOOP(nothing, nothing_turn)

SEC("raw_tp")
int perf_output(void* context) {
  __u64 sample[8] = {};
  for (int i = 0; i < LOOPS; ++i) bpf_perf_event_output(context, &samples, BPF_F_CURRENT_CPU, sample, sizeof(sample));
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
