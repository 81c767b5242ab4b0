// Values of a CPU that is named.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} array SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} hash SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} lru SEC(".maps");

__u32 key;
__u32 cpu;
__u64 amount;
__s64 result;

// -1 without a value; else what it was.
static __always_inline __s64 add(void* map) {
  __u32 wanted = key;
  __u64* value = bpf_map_lookup_percpu_elem(map, &wanted, cpu);
  if (!value) return -1;
  __s64 before = *value;
  *value += amount;
  return before;
}

SEC("raw_tp")
int in_array(void* context) {
  result = add(&array);
  return 0;
}

SEC("raw_tp")
int in_hash(void* context) {
  result = add(&hash);
  return 0;
}

SEC("raw_tp")
int in_lru(void* context) {
  result = add(&lru);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
