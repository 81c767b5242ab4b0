// Map definitions with typedefs, qualifiers, names at every level, and types of elements where the kernel wants none.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

typedef struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, int);
  __type(value, __u64);
} inner_t;
typedef inner_t inner_again_t;
typedef volatile inner_again_t qualified_t;

qualified_t qualified SEC(".maps");

struct pair {
  int a, b;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u64);
  __array(values, inner_again_t);
} of_typedef SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 3);
  __uint(key_size, 4);
  __uint(value_size, 4);
  __array(values, struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
  });
} of_anonymous SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 5000);
  __type(key, int);
  __type(value, struct pair);
} ring_with_types SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __type(key, int);
  __type(value, struct pair);
} perf_with_types SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, int);
  __type(value, int);
  __uint(numa_node, 0);
  __uint(pinning, LIBBPF_PIN_NONE);
} unpinned SEC(".maps");

SEC("xdp")
int uses_maps(struct xdp_md* ctx) {
  int key = 0;
  return bpf_map_lookup_elem((void*)&qualified, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
