// A map with a field that this version does not know.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, int);
  __type(value, int);
  __uint(colour, 3);
} colourful SEC(".maps");

SEC("xdp_drop_all")
int of_old_name(struct xdp_md* ctx) {
  int key = 0;
  return bpf_map_lookup_elem(&colourful, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
