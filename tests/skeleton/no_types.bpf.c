// Without BTF there are sizes only.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct bpf_map_def {
  unsigned int type;
  unsigned int key_size;
  unsigned int value_size;
  unsigned int max_entries;
  unsigned int map_flags;
};

struct bpf_map_def SEC("maps") old = {
    .type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 16, .max_entries = 8};

SEC("socket")
int nothing(void* ctx) {
  int key = 0;
  return bpf_map_lookup_elem(&old, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
