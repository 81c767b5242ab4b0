// Maps written in every way that C and libbpf's macros allow.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define __ulong(name, number) enum { __unique(name) = number } name
#define __join(a, b) a##b
#define __join2(a, b) __join(a, b)
#define __unique(name) __join2(__unique_value_, __COUNTER__)

struct histogram {
  __u64 slots[32];
} __attribute__((btf_decl_tag("log2_hist")));

typedef struct histogram histogram_t __attribute__((btf_decl_tag("of_bytes")));

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, histogram_t);
} by_type SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 8);
  __uint(key_size, 4);
  __uint(value_size, 256);
} by_variable __attribute__((btf_decl_tag("log2_hist"))) SEC(".maps");

typedef struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
  __uint(key_size, 8);
  __type(key, __u64);
  __type(value, int);
} hash_t;
typedef hash_t hash_again_t;

hash_again_t by_typedef SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
  __uint(max_entries, 100);
  __type(value, __u32);
  __ulong(map_extra, 0x100000003);
  __uint(numa_node, 1);
} with_extra SEC(".maps");

struct inner {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, int);
  __type(value, __u64);
} first SEC(".maps"), third SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, int);
  __array(values, struct inner);
} outer SEC(".maps") = {
    .values = {[0] = &first, [2] = &third},
};

SEC("xdp")
int tail(struct xdp_md* ctx) {
  return XDP_PASS;
}

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 3);
  __uint(key_size, 4);
  __array(values, int(void*));
} jumps SEC(".maps") = {
    .values = {[1] = (void*)&tail},
};

SEC("xdp.frags")
int main_program(struct xdp_md* ctx) {
  bpf_tail_call(ctx, &jumps, 1);
  return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
