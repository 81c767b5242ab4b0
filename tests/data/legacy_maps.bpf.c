// Maps as they were written before BTF: a struct of numbers in the section "maps".
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct old_map_def {
  unsigned int type, key_size, value_size, max_entries, map_flags;
};

struct old_map_def old_map __attribute__((section("maps"), used)) = {BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0};
struct old_map_def old_hash __attribute__((section("maps"), used)) = {BPF_MAP_TYPE_HASH, 8, 16, 32, BPF_F_NO_PREALLOC};

struct ____btf_map_old_hash {
  __u64 key;
  struct {
    __u64 first, second;
  } value;
};
struct ____btf_map_old_hash* annotation_of_old_hash(void) { return 0; }

SEC("uprobe")
int uses_old_map(void* ctx) {
  __u32 key = 0;
  return bpf_map_lookup_elem(&old_map, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
