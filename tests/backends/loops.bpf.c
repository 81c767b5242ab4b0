// Loops by callbacks. Programs write what helpers returned into the array `results`.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 32);
  __type(key, __u32);
  __type(value, __s64);
} results SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 5);
  __type(key, __u32);
  __type(value, __u64);
} numbers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __u64);
} keyed SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} per_cpu SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 3);
  __type(key, __u32);
  __type(value, __u64);
} per_cpu_numbers SEC(".maps");

struct state {
  __u64 sum;
  __u64 stop_at;
};

static __always_inline void put(__u32 at, __s64 value) { bpf_map_update_elem(&results, &at, &value, BPF_ANY); }

static int add_index(__u32 index, struct state* state) {
  state->sum += index;
  return index == state->stop_at;
}

static int add_nested(__u32 index, struct state* state) {
  struct state inner = {.stop_at = 1000};
  bpf_loop(10, add_index, &inner, 0);
  state->sum += inner.sum;
  return 0;
}

SEC("tc")
int loops(void* ctx) {
  struct state state = {.stop_at = ~0ULL};
  put(0, bpf_loop(10, add_index, &state, 0));
  put(1, state.sum);
  put(2, bpf_loop(0, add_index, &state, 0));
  put(3, bpf_loop(10, add_index, &state, 1));
  // The kernel's own, inlined form of the call gives an error in 32 bits.
  put(4, (int)bpf_loop((1 << 23) + 1, add_index, &state, 0));
  put(5, bpf_loop((1 << 23) + 1, add_index, &state, 1));
  state.stop_at = 4;
  put(6, bpf_loop(10, add_index, &state, 0));
  state.sum = 0;
  put(7, bpf_loop(100, add_nested, &state, 0));
  put(8, state.sum);
  return 3;
}

// The longest that the kernel allows, and then something that counts as a loop too.
SEC("tc")
int longest_loop(void* ctx) {
  struct state state = {.stop_at = ~0ULL};
  put(0, bpf_loop(1 << 23, add_index, &state, 0));
  put(1, state.sum);
  put(2, bpf_loop(1000, add_index, &state, 0));
  return 4;
}

static long add_value(void* map, __u32* key, __u64* value, struct state* state) {
  state->sum += *key * 100 + *value;
  return *key == state->stop_at;
}

static long delete_even(void* map, __u32* key, __u64* value, struct state* state) {
  if ((*key & 1) == 0 && bpf_map_delete_elem(&keyed, key) == 0) state->sum += 1;
  return 0;
}

static long walk_again(void* map, __u32* key, __u64* value, struct state* state) {
  struct state inner = {.stop_at = ~0ULL};
  state->sum += bpf_for_each_map_elem(&numbers, add_value, &inner, 0);
  return 0;
}

SEC("tc")
int walks(void* ctx) {
  struct state state = {.stop_at = ~0ULL};
  put(0, bpf_for_each_map_elem(&numbers, add_value, &state, 0));
  put(1, state.sum);
  put(2, bpf_for_each_map_elem(&numbers, add_value, &state, 1));
  state.stop_at = 2;
  put(3, bpf_for_each_map_elem(&numbers, add_value, &state, 0));
  put(4, bpf_for_each_map_elem(&keyed, add_value, &state, 0));
  for (__u32 i = 0; i < 6; ++i) {
    __u32 key = i;
    __u64 value = i;
    bpf_map_update_elem(&keyed, &key, &value, BPF_ANY);
    if (i < 2) bpf_map_update_elem(&per_cpu, &key, &value, BPF_ANY);
  }
  state.sum = 0;
  state.stop_at = ~0ULL;
  put(5, bpf_for_each_map_elem(&keyed, add_value, &state, 0));
  put(6, state.sum);
  state.sum = 0;
  put(7, bpf_for_each_map_elem(&keyed, delete_even, &state, 0));
  put(8, state.sum);
  put(9, bpf_for_each_map_elem(&keyed, add_value, &state, 0));
  state.sum = 0;
  put(10, bpf_for_each_map_elem(&per_cpu, add_value, &state, 0));
  put(11, state.sum);
  put(12, bpf_for_each_map_elem(&per_cpu_numbers, add_value, &state, 0));
  state.sum = 0;
  put(13, bpf_for_each_map_elem(&numbers, walk_again, &state, 0));
  put(14, state.sum);
  return 5;
}

char LICENSE[] SEC("license") = "GPL";
