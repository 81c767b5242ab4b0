// Functions of the kernel: called, called by a variant's name, and not there.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
  int pid;
} __attribute__((preserve_access_index));

struct cgroup {
  int level;
} __attribute__((preserve_access_index));

struct task_struct* bpf_task_from_pid(int pid) __ksym;
void bpf_task_release(struct task_struct* task) __ksym;
void bpf_rcu_read_lock(void) __ksym;
void bpf_rcu_read_unlock(void) __ksym;
struct cgroup* bpf_cgroup_from_id(__u64 id) __ksym;
void bpf_cgroup_release(struct cgroup* group) __ksym;
void* bpf_rdonly_cast(const void* object, __u32 type) __ksym __weak;

static __attribute__((noinline)) int pid_of(int pid) {
  struct task_struct* task = bpf_task_from_pid(pid);
  if (!task) return 0;
  int result = task->pid;
  bpf_task_release(task);
  return result;
}

int seen;

SEC("tp_btf/task_newtask")
int BPF_PROG(finds_a_task, struct task_struct* task, __u64 clone_flags) {
  struct task_struct* found = bpf_task_from_pid(task->pid);
  if (found) {
    seen = found->pid;
    bpf_task_release(found);
  }
  return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(finds_tasks_in_a_subprogram, struct task_struct* task, __u64 clone_flags) {
  seen = pid_of(1) + pid_of(task->pid);
  return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(finds_a_group, struct task_struct* task, __u64 clone_flags) {
  struct cgroup* group = bpf_cgroup_from_id(1);
  if (group) bpf_cgroup_release(group);
  return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(locks, struct task_struct* task, __u64 clone_flags) {
  bpf_rcu_read_lock();
  seen = task->pid;
  bpf_rcu_read_unlock();
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
