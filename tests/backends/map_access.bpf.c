// What programs do to a map whose flags, set before it is loaded, say what they may.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} target SEC(".maps");

__u64 value;
__s64 result;

SEC("raw_tp")
int put(void* context) {
  __u32 key = 1;
  __u64 copy = value;
  result = bpf_map_update_elem(&target, &key, &copy, 0);
  return 0;
}

SEC("raw_tp")
int put_through_pointer(void* context) {
  __u32 key = 1;
  __u64* place = bpf_map_lookup_elem(&target, &key);
  if (place) *place = value;
  return 0;
}

SEC("raw_tp")
int get_through_pointer(void* context) {
  __u32 key = 1;
  __u64* place = bpf_map_lookup_elem(&target, &key);
  if (place) result = *place;
  return 0;
}

SEC("raw_tp")
int add_through_pointer(void* context) {
  __u32 key = 1;
  __u64* place = bpf_map_lookup_elem(&target, &key);
  if (place) __sync_fetch_and_add(place, value);
  return 0;
}

static __noinline int store(__u64* place) {
  if (place) *place = value;
  return 0;
}

SEC("raw_tp")
int put_in_a_function(void* context) {
  __u32 key = 1;
  return store(bpf_map_lookup_elem(&target, &key));
}

char LICENSE[] SEC("license") = "GPL";
