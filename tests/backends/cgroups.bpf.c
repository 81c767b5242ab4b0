// What programs learn of the cgroup that they run in.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

enum { ID, ANCESTOR, UNDER, ANSWERS };

struct context {
  __u64 level;  // or index in the array
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, ANSWERS);
  __type(key, __u32);
  __type(value, __u64);
} answers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} cgroups SEC(".maps");

static __always_inline void answer(__u32 slot, __u64 value) {
  __u64* place = bpf_map_lookup_elem(&answers, &slot);
  if (place) *place = value;
}

SEC("raw_tp")
int ask(struct context* ctx) {
  answer(ID, bpf_get_current_cgroup_id());
  answer(ANCESTOR, bpf_get_current_ancestor_cgroup_id(ctx->level));
  answer(UNDER, bpf_current_task_under_cgroup(&cgroups, ctx->level));
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
