// Maps that belong to sockets, tasks, inodes and groups.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct;
struct file;

#define STORAGE(name, kind)                 \
  struct {                                  \
    __uint(type, kind);                     \
    __uint(map_flags, BPF_F_NO_PREALLOC);   \
    __type(key, int);                       \
    __type(value, __u64);                   \
  } name SEC(".maps")

STORAGE(of_sockets, BPF_MAP_TYPE_SK_STORAGE);
STORAGE(of_tasks, BPF_MAP_TYPE_TASK_STORAGE);
STORAGE(of_inodes, BPF_MAP_TYPE_INODE_STORAGE);

struct {
  __uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
  __type(key, struct bpf_cgroup_storage_key);
  __type(value, __u64);
} of_groups SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE);
  __type(key, struct bpf_cgroup_storage_key);
  __type(value, __u64);
} of_groups_per_cpu SEC(".maps");

SEC("cgroup/sock_create")
int counts_sockets(struct bpf_sock* sk) {
  __u64* count = bpf_sk_storage_get(&of_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (count) *count += 1;
  return 1;
}

SEC("cgroup_skb/egress")
int counts_packets_of_a_group(struct __sk_buff* skb) {
  __u64* count = bpf_get_local_storage(&of_groups, 0);
  __sync_fetch_and_add(count, 1);
  count = bpf_get_local_storage(&of_groups_per_cpu, 0);
  *count += skb->len;
  return 1;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(counts_calls_of_a_task, void* regs, long id) {
  struct task_struct* task = bpf_get_current_task_btf();
  __u64* count = bpf_task_storage_get(&of_tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (count) *count += 1;
  return 0;
}

SEC("?lsm/inode_unlink")
int BPF_PROG(counts_inodes, void* dir, void* dentry) {
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
