// One use of a map that holds objects, by a program: what it finds at a key.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct task_struct;

// The arguments of a raw tracepoint, as far as test runs give them.
struct context {
  __u64 key;
  __u64 flags;
  __u64 amount;
};

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} prog_array SEC(".maps");

struct inner {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} first_map SEC(".maps"), second_map SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} larger_map SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(values, struct inner);
} array_of_maps SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u64);
  __array(values, struct inner);
} hash_of_maps SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} cgroup_array SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, __u64);
} task_storage SEC(".maps");

SEC("raw_tp") int first_target(struct context* ctx) { return 10; }
SEC("raw_tp") int second_target(struct context* ctx) { return 20; }
SEC("tc") int target_of_another_type(struct __sk_buff* ctx) { return 30; }

SEC("raw_tp") int of_prog_array(struct context* ctx) {
  bpf_tail_call(ctx, &prog_array, ctx->key);
  return 1;
}

static __always_inline int read(void* inner) {
  __u32 zero = 0;
  __u64* value = inner ? bpf_map_lookup_elem(inner, &zero) : 0;
  return value ? *value : 1;
}

SEC("raw_tp") int of_array_of_maps(struct context* ctx) {
  __u32 index = ctx->key;
  return read(bpf_map_lookup_elem(&array_of_maps, &index));
}

SEC("raw_tp") int of_hash_of_maps(struct context* ctx) {
  __u64 key = ctx->key;
  return read(bpf_map_lookup_elem(&hash_of_maps, &key));
}

SEC("raw_tp") int of_cgroup_array(struct context* ctx) {
  return bpf_current_task_under_cgroup(&cgroup_array, ctx->key);
}

// Of the running thread, whatever the key; no amount: deletes.
SEC("raw_tp") int of_task_storage(struct context* ctx) {
  if (ctx->amount == 0) return bpf_task_storage_delete(&task_storage, bpf_get_current_task_btf());
  __u64 initial = 100;
  __u64* value = bpf_task_storage_get(&task_storage, bpf_get_current_task_btf(), &initial, ctx->flags);
  if (!value) return 1;
  *value += ctx->amount;
  return *value;
}

char LICENSE[] SEC("license") = "GPL";
