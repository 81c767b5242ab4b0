// bpf_csum_diff over the words of the array `words`: the kernel has it for programs that get packets.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __s64);
} results SEC(".maps");

struct words {
  __u32 old[4];
  __u32 new[4];
  __u32 seed;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct words);
} words SEC(".maps");

static __always_inline void put(__u32 at, __s64 value) { bpf_map_update_elem(&results, &at, &value, BPF_ANY); }

SEC("tc")
int differences(void* ctx) {
  __u32 zero = 0;
  struct words* w = bpf_map_lookup_elem(&words, &zero);
  if (!w) return 0;
  put(0, bpf_csum_diff(w->old, 16, w->new, 16, w->seed));
  put(1, bpf_csum_diff(w->old, 8, w->new, 16, w->seed));
  put(2, bpf_csum_diff(0, 0, w->new, 16, w->seed));
  put(3, bpf_csum_diff(w->old, 16, 0, 0, w->seed));
  put(4, bpf_csum_diff(0, 0, 0, 0, w->seed));
  put(5, bpf_csum_diff(w->old, 7, w->new, 5, w->seed));
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
