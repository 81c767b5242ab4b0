// Values per cgroup.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define MAP_TYPE_CGRP_STORAGE 32  // not in the headers of Linux 6.1

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct css_set {
  struct cgroup* dfl_cgrp;
};
struct task_struct {
  struct css_set* cgroups;
  struct task_struct* real_parent;
};

#pragma clang attribute pop

struct context {
  __u64 flags;
  __u64 amount;
};

struct {
  __uint(type, MAP_TYPE_CGRP_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, __u64);
} per_cgroup SEC(".maps");

#ifdef MAP_ONLY
SEC("raw_tp")
int nothing(struct context* ctx) {
  return 0;
}
#else
// 1 without a value, else 2 and more: the value afterwards.
static __always_inline int add_to(struct cgroup* cgroup, __u64* initial, struct context* ctx) {
  __u64* value = bpf_cgrp_storage_get(&per_cgroup, cgroup, initial, ctx->flags);
  if (!value) return 1;
  *value += ctx->amount;
  return *value;
}

SEC("raw_tp")
int add(struct context* ctx) {
  __u64 initial = 100;
  return add_to(bpf_get_current_task_btf()->cgroups->dfl_cgrp, &initial, ctx);
}

SEC("raw_tp")
int add_from_zero(struct context* ctx) { return add_to(bpf_get_current_task_btf()->cgroups->dfl_cgrp, 0, ctx); }

SEC("raw_tp")
int add_for_parent(struct context* ctx) {
  __u64 initial = 100;
  return add_to(bpf_get_current_task_btf()->real_parent->cgroups->dfl_cgrp, &initial, ctx);
}

SEC("raw_tp")
int forget(struct context* ctx) {
  return bpf_cgrp_storage_delete(&per_cgroup, bpf_get_current_task_btf()->cgroups->dfl_cgrp);
}

SEC("raw_tp")
int add_to_nothing(struct context* ctx) { return add_to(0, 0, ctx); }

SEC("raw_tp")
int forget_nothing(struct context* ctx) { return bpf_cgrp_storage_delete(&per_cgroup, 0); }
#endif

char LICENSE[] SEC("license") = "GPL";
