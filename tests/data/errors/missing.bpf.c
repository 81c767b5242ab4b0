// Programs that use what may not be there: types, functions, maps and hooks.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
  int no_such_member;
} __attribute__((preserve_access_index));

void strata_no_such_function(int a) __ksym __weak;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} not_created SEC(".maps");

const volatile int may_use_map = 0;

SEC("?tp_btf/sched_switch")
int reads_a_missing_member(__u64* arguments) {
  struct task_struct* task = (struct task_struct*)arguments[1];
  return task->no_such_member;
}

SEC("?tc")
int calls_a_missing_function(struct __sk_buff* skb) {
  strata_no_such_function(skb->mark);
  return 0;
}

SEC("?tc")
int uses_a_missing_map(struct __sk_buff* skb) {
  __u32 key = 0;
  return bpf_map_lookup_elem(&not_created, &key) != 0;
}

SEC("?tc")
int guards_a_missing_map(struct __sk_buff* skb) {
  __u32 key = 0;
  if (!may_use_map) return 7;
  return bpf_map_lookup_elem(&not_created, &key) != 0;
}

SEC("?fentry/bpf_prog_put")
int hooks_an_entry(void* ctx) {
  return 0;
}

SEC("?lsm/file_open")
int hooks_security(void* ctx) {
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
