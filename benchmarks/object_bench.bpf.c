// What map_objects_bench measures: each program once with the operation, once without.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} targets SEC(".maps");

struct inner {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __u64);
} inner SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(values, struct inner);
} array_outer SEC(".maps") = {.values = {[1] = &inner}};

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(values, struct inner);
} hash_outer SEC(".maps") = {.values = {[1] = &inner}};

SEC("tc")
int nothing(void* ctx) { return 0; }

// Calls itself 33 times.
SEC("tc")
int repeat(void* ctx) {
  bpf_tail_call(ctx, &targets, 1);
  return 0;
}

#define LOOKUPS 64

SEC("tc")
int array_of_maps(void* ctx) {
  long found = 0;
  for (int i = 0; i < LOOKUPS; ++i) {
    __u32 key = 1;
    if (bpf_map_lookup_elem(&array_outer, &key)) ++found;
  }
  return found;
}

SEC("tc")
int hash_of_maps(void* ctx) {
  long found = 0;
  for (int i = 0; i < LOOKUPS; ++i) {
    __u32 key = 1;
    if (bpf_map_lookup_elem(&hash_outer, &key)) ++found;
  }
  return found;
}

char LICENSE[] SEC("license") = "GPL";
