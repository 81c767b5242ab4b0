// The larger struct of iproute2: what only that loader understands is kept as it is.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct bpf_elf_map {
  __u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

struct bpf_elf_map pinned SEC("maps") = {
    .type = BPF_MAP_TYPE_HASH, .size_key = 4, .size_value = 8, .max_elem = 16, .id = 7, .pinning = 2};
struct bpf_elf_map plain SEC("maps") = {.type = BPF_MAP_TYPE_ARRAY, .size_key = 4, .size_value = 4, .max_elem = 2};

SEC("classifier")
int counts(struct __sk_buff* ctx) {
  __u32 key = 0;
  return bpf_map_lookup_elem(&pinned, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
