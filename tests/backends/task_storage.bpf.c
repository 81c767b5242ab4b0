// Values per thread.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct task_struct;

struct context {
  __u64 flags;
  __u64 amount;
};

struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, __u64);
} per_task SEC(".maps");

#ifdef MAP_ONLY
SEC("raw_tp")
int nothing(struct context* ctx) {
  return 0;
}
#else
// 1 without a value, else 2 and more: the value afterwards.
SEC("raw_tp")
int add(struct context* ctx) {
  __u64 initial = 100;
  __u64* value = bpf_task_storage_get(&per_task, bpf_get_current_task_btf(), &initial, ctx->flags);
  if (!value) return 1;
  *value += ctx->amount;
  return *value;
}

SEC("raw_tp")
int add_from_zero(struct context* ctx) {
  __u64* value = bpf_task_storage_get(&per_task, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!value) return 1;
  *value += ctx->amount;
  return *value;
}

SEC("raw_tp")
int forget(struct context* ctx) { return bpf_task_storage_delete(&per_task, bpf_get_current_task_btf()); }
#endif

char LICENSE[] SEC("license") = "GPL";
