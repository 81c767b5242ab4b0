#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

static struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} not_global SEC(".maps");

SEC("uprobe")
int uses_static_map(void* ctx) {
  __u32 key = 0;
  return bpf_map_lookup_elem(&not_global, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
