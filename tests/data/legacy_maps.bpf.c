#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  unsigned int type, key_size, value_size, max_entries, map_flags;
} old_map __attribute__((section("maps"), used)) = {BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0};

SEC("uprobe")
int uses_old_map(void* ctx) {
  __u32 key = 0;
  return bpf_map_lookup_elem(&old_map, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
