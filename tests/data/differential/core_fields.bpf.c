// Fields of the kernel's types, as they are here: offsets, sizes, existence, variants.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct mm_struct {
  unsigned long start_code;
  unsigned long start_stack;
} __attribute__((preserve_access_index));

struct list_head {
  struct list_head* next;
};

struct signal_struct {
  int nr_threads;
} __attribute__((preserve_access_index));

struct task_struct {
  int pid;
  int tgid;
  unsigned int flags;
  int prio;
  char comm[16];
  struct task_struct* real_parent;
  struct mm_struct* mm;
  struct signal_struct* signal;
  unsigned in_execve : 1;
  unsigned sched_reset_on_fork : 1;
} __attribute__((preserve_access_index));

struct task_struct___with_state {
  unsigned int __state;
} __attribute__((preserve_access_index));

struct task_struct___old {
  long state;
} __attribute__((preserve_access_index));

struct strata_no_such_type {
  int field;
} __attribute__((preserve_access_index));

long result;

SEC("tp_btf/task_newtask")
int BPF_PROG(reads_fields, struct task_struct* task, __u64 clone_flags) {
  result = task->pid + task->tgid + task->flags + task->prio;
  return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(follows_pointers, struct task_struct* task, __u64 clone_flags) {
  result = BPF_CORE_READ(task, real_parent, real_parent, pid) + BPF_CORE_READ(task, signal, nr_threads);
  return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(reads_an_array, struct task_struct* task, __u64 clone_flags) {
  char name[16];
  BPF_CORE_READ_STR_INTO(&name, task, comm);
  result = name[0] + task->comm[3];
  return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(asks_what_exists, struct task_struct* task, __u64 clone_flags) {
  if (bpf_core_field_exists(task->pid)) result = 1;
  if (bpf_core_type_exists(struct strata_no_such_type)) result = 2;
  if (bpf_core_type_exists(struct mm_struct)) result += bpf_core_type_size(struct mm_struct);
  result += bpf_core_field_size(task->comm) + bpf_core_field_offset(task->mm);
  return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(picks_a_variant, struct task_struct* task, __u64 clone_flags) {
  struct task_struct___with_state* current = (void*)task;
  struct task_struct___old* old = (void*)task;
  if (bpf_core_field_exists(current->__state)) {
    result = BPF_CORE_READ(current, __state);
  } else {
    result = BPF_CORE_READ(old, state);
  }
  return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(reads_bits, struct task_struct* task, __u64 clone_flags) {
  result = BPF_CORE_READ_BITFIELD_PROBED(task, in_execve) + BPF_CORE_READ_BITFIELD(task, sched_reset_on_fork);
  return 0;
}

static __attribute__((noinline)) long code_of(struct task_struct* task) {
  return BPF_CORE_READ(task, mm, start_code) + BPF_CORE_READ(task, mm, start_stack);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(reads_in_a_subprogram, int preempt, struct task_struct* before, struct task_struct* after) {
  result = code_of((struct task_struct*)bpf_get_current_task()) + (before == after);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
