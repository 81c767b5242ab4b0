// One program per operation on a map: each does it 8,192 times a run and returns how many succeeded. What is not the
// operation (the loop, keys, the counting) is also in the program that is subtracted: `nothing` and, where a key is
// made from the loop's first, nothing_position and nothing_prefix. Each result is counted at once, as programs test
// what they looked up; a compiler that keeps 16 results for later measures its own stores.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define KEYS 8192
#define UNROLLED 16
#define MAX_ENTRIES 10000

#define MAP(name, kind, key_type, ...) \
  struct {                             \
    __uint(type, BPF_MAP_TYPE_##kind); \
    __uint(max_entries, MAX_ENTRIES);  \
    __type(key, key_type);             \
    __type(value, __u64);              \
    __VA_ARGS__                        \
  } name SEC(".maps")

struct prefix {
  __u32 bits;
  __u32 address;
};

MAP(array, ARRAY, __u32, );
MAP(percpu_array, PERCPU_ARRAY, __u32, );
MAP(hash, HASH, __u64, );
MAP(percpu_hash, PERCPU_HASH, __u64, );
MAP(lru_hash, LRU_HASH, __u64, );
MAP(lru_percpu_hash, LRU_PERCPU_HASH, __u64, );
MAP(churned, LRU_HASH, __u64, );
MAP(lpm_trie, LPM_TRIE, struct prefix, __uint(map_flags, BPF_F_NO_PREALLOC););

#define KEYLESS(name, kind)            \
  struct {                             \
    __uint(type, BPF_MAP_TYPE_##kind); \
    __uint(max_entries, MAX_ENTRIES);  \
    __type(value, __u64);              \
  } name SEC(".maps")

KEYLESS(queue, QUEUE);
KEYLESS(stack, STACK);
KEYLESS(bloom_filter, BLOOM_FILTER);

struct inner_array {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} inner SEC(".maps");

#define INNER_MAPS 16
#define OF_MAPS(name, kind)                                                                                         \
  struct {                                                                                                          \
    __uint(type, BPF_MAP_TYPE_##kind);                                                                              \
    __uint(max_entries, INNER_MAPS);                                                                                \
    __type(key, __u32);                                                                                             \
    __array(values, struct inner_array);                                                                            \
  } name SEC(".maps") = {.values = {&inner, &inner, &inner, &inner, &inner, &inner, &inner, &inner, &inner, &inner, \
                                    &inner, &inner, &inner, &inner, &inner, &inner}}

OF_MAPS(array_of_maps, ARRAY_OF_MAPS);
OF_MAPS(hash_of_maps, HASH_OF_MAPS);

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 24);
} ring SEC(".maps");

struct state {
  __u64 base;  // of the keys
  __u64 done;
};

__u64 first_key;  // of what `lru_evict` inserts next

#define PROGRAM(name, ...)                                                    \
  static long name##_rounds(__u32 round, struct state* state) {               \
    __u64 base = state->base + round * UNROLLED;                              \
    __u64 done = 0;                                                           \
    _Pragma("clang loop unroll(full)") for (__u32 i = 0; i < UNROLLED; ++i) { \
      __u64 key = base + i;                                                   \
      __u64 value = key;                                                      \
      asm volatile("" ::"r"(&key), "r"(&value) : "memory");                   \
      if (__VA_ARGS__) done += 1;                                             \
      asm volatile("" : "+r"(done));                                          \
    }                                                                         \
    state->done += done;                                                      \
    return 0;                                                                 \
  }                                                                           \
  SEC("tc") int name(struct __sk_buff* context) {                             \
    struct state state = {};                                                  \
    bpf_loop(KEYS / UNROLLED, name##_rounds, &state, 0);                      \
    return state.done;                                                        \
  }

#define LOOKUP(map) PROGRAM(map##_lookup, bpf_map_lookup_elem(&map, &key) != 0)
#define UPDATE(map) PROGRAM(map##_update, bpf_map_update_elem(&map, &key, &value, BPF_ANY) == 0)
#define DELETE(map) PROGRAM(map##_delete, bpf_map_delete_elem(&map, &key) == 0)
#define KEYED(map) LOOKUP(map) UPDATE(map) DELETE(map)

PROGRAM(nothing, key + 1)
LOOKUP(array)
UPDATE(array)
LOOKUP(percpu_array)
UPDATE(percpu_array)
KEYED(hash)
KEYED(percpu_hash)
KEYED(lru_hash)
KEYED(lru_percpu_hash)
#define POSITION                     \
  __u32 position = key % INNER_MAPS; \
  asm volatile("" ::"r"(&position) : "memory");
#define LOOKUP_INNER(map) PROGRAM(map##_lookup, ({ POSITION bpf_map_lookup_elem(&map, &position) != 0; }))
PROGRAM(nothing_position, ({ POSITION key + 1; }))
LOOKUP_INNER(array_of_maps)
LOOKUP_INNER(hash_of_maps)

#define PREFIX                                                     \
  struct prefix prefix = {32, __builtin_bswap32((__u32)key << 8)}; \
  asm volatile("" ::"r"(&prefix) : "memory");
PROGRAM(nothing_prefix, ({ PREFIX key + 1; }))
PROGRAM(lpm_trie_lookup, ({ PREFIX bpf_map_lookup_elem(&lpm_trie, &prefix) != 0; }))
PROGRAM(lpm_trie_update, ({ PREFIX bpf_map_update_elem(&lpm_trie, &prefix, &value, BPF_ANY) == 0; }))
PROGRAM(lpm_trie_delete, ({ PREFIX bpf_map_delete_elem(&lpm_trie, &prefix) == 0; }))

PROGRAM(queue_push_pop, bpf_map_push_elem(&queue, &value, BPF_ANY) == 0 && bpf_map_pop_elem(&queue, &value) == 0)
PROGRAM(stack_push_pop, bpf_map_push_elem(&stack, &value, BPF_ANY) == 0 && bpf_map_pop_elem(&stack, &value) == 0)
PROGRAM(bloom_filter_push, bpf_map_push_elem(&bloom_filter, &value, BPF_ANY) == 0)
PROGRAM(bloom_filter_peek, bpf_map_peek_elem(&bloom_filter, &value) == 0)

// 64 bytes.
PROGRAM(ring_output, ({
          __u64 record[8] = {value};
          asm volatile("" ::"r"(record) : "memory");
          bpf_ringbuf_output(&ring, record, sizeof(record), 0) == 0;
        }))

// Always new keys into a full map.
PROGRAM(lru_evict, ({
          key += first_key;
          bpf_map_update_elem(&churned, &key, &value, BPF_NOEXIST) == 0;
        }))
SEC("tc") int lru_evict_next(struct __sk_buff* context) {
  first_key += KEYS;
  return KEYS;
}

char LICENSE[] SEC("license") = "GPL";
