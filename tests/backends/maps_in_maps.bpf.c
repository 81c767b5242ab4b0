// Maps that are found in maps.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct context {
  __u64 outer;  // index or key in the outer map
  __u64 inner;
  __u64 amount;
};

struct array_inner {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} first SEC(".maps"), second SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 3);
  __type(key, __u32);
  __array(values, struct array_inner);
} arrays SEC(".maps") = {.values = {[1] = &first}};

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 3);
  __type(key, __u64);
  __array(values, struct array_inner);
} by_key SEC(".maps");

struct hash_inner {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8);
  __type(key, __u64);
  __type(value, __u64);
} hash SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 2);
  __type(key, __u32);
  __array(values, struct hash_inner);
} hashes SEC(".maps") = {.values = {[0] = &hash}};

struct per_cpu_inner {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} per_cpu SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 2);
  __type(key, __u32);
  __array(values, struct per_cpu_inner);
} per_cpus SEC(".maps") = {.values = {[0] = &per_cpu}};

struct ring_inner {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 2);
  __type(key, __u32);
  __array(values, struct ring_inner);
} rings SEC(".maps") = {.values = {[0] = &ring}};

static __always_inline int add(void* map, void* key, __u64 amount) {
  __u64* value = bpf_map_lookup_elem(map, key);
  if (!value) return 2;
  *value += amount;
  return 0;
}

SEC("raw_tp")
int add_in_array(struct context* ctx) {
  __u32 outer = ctx->outer, inner = ctx->inner;
  void* map = bpf_map_lookup_elem(&arrays, &outer);
  return map ? add(map, &inner, ctx->amount) : 1;
}

SEC("raw_tp")
int add_at_constant(struct context* ctx) {
  __u32 outer = 1, inner = ctx->inner;
  void* map = bpf_map_lookup_elem(&arrays, &outer);
  return map ? add(map, &inner, ctx->amount) : 1;
}

SEC("raw_tp")
int add_by_key(struct context* ctx) {
  __u64 outer = ctx->outer;
  __u32 inner = ctx->inner;
  void* map = bpf_map_lookup_elem(&by_key, &outer);
  return map ? add(map, &inner, ctx->amount) : 1;
}

SEC("raw_tp")
int put_in_hash(struct context* ctx) {
  __u32 outer = ctx->outer;
  __u64 key = ctx->inner, amount = ctx->amount;
  void* map = bpf_map_lookup_elem(&hashes, &outer);
  return map ? bpf_map_update_elem(map, &key, &amount, BPF_NOEXIST) : 1;
}

SEC("raw_tp")
int remove_from_hash(struct context* ctx) {
  __u32 outer = ctx->outer;
  __u64 key = ctx->inner;
  void* map = bpf_map_lookup_elem(&hashes, &outer);
  return map ? bpf_map_delete_elem(map, &key) : 1;
}

SEC("raw_tp")
int add_per_cpu(struct context* ctx) {
  __u32 outer = ctx->outer, inner = ctx->inner;
  void* map = bpf_map_lookup_elem(&per_cpus, &outer);
  return map ? add(map, &inner, ctx->amount) : 1;
}

SEC("raw_tp")
int put_in_ring(struct context* ctx) {
  __u32 outer = ctx->outer;
  __u64 amount = ctx->amount;
  void* map = bpf_map_lookup_elem(&rings, &outer);
  return map ? bpf_ringbuf_output(map, &amount, sizeof(amount), 0) : 1;
}

char LICENSE[] SEC("license") = "GPL";
