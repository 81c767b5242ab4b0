// The current task as a typed pointer, through which programs load directly.
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bio_list {
  void* head;
};
struct file {
  unsigned int f_flags;
};
struct mm_struct {
  unsigned long arg_start;
  struct file* exe_file;
};
struct pt_regs {
  unsigned long di, sp, ip;
};
struct task_struct {
  int pid, tgid;
  char comm[16];
  struct task_struct *real_parent, *group_leader;
  struct mm_struct* mm;
  struct bio_list* bio_list;
};

#pragma clang attribute pop

struct pt_regs___plain {
  unsigned long before[16];
  unsigned long ip;
};

struct {
  __u64 task, other_task;
  __s64 pid, tgid, leader_pid, parent_pid, grandparent_pid;
  __u64 comm;
  __u64 arg_start;
  __u64 of_nothing;
  __u64 first_argument, stack_pointer, is_same_ip;
  __s64 copied, copied_nothing, copied_with_flags, copied_nowhere;
  char text[16];
} answer;

__u64 source;

static int read_pointers(struct task_struct* task) {
  answer.task = (__u64)task;
  answer.other_task = bpf_get_current_task();
  answer.pid = task->pid;
  answer.tgid = task->tgid;
  answer.leader_pid = task->group_leader->pid;
  answer.parent_pid = task->real_parent->tgid;
  answer.grandparent_pid = task->real_parent->real_parent->tgid;
  answer.comm = *(__u64*)task->comm;
  answer.arg_start = task->mm->arg_start;
  // Null, in a thread that does no block I/O now.
  answer.of_nothing = (__u64)task->bio_list->head;
  return 0;
}

SEC("syscall")
int read_task(void* ctx) {
  return read_pointers((struct task_struct*)bpf_get_current_task_btf());
}

SEC("uprobe")
int on_call(struct pt_regs* ctx) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  struct pt_regs* regs = (struct pt_regs*)bpf_task_pt_regs((void*)task);
  answer.first_argument = regs->di;
  answer.stack_pointer = regs->sp;
  answer.is_same_ip = regs->ip == ((struct pt_regs___plain*)ctx)->ip;
  return 0;
}

SEC("syscall")
int copy_memory(void* ctx) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  answer.copied_nothing = bpf_copy_from_user_task(answer.text, 0, 0, (void*)task, 0);
  answer.copied_with_flags = bpf_copy_from_user_task(answer.text, 8, (void*)source, (void*)task, 1);
  answer.copied_nowhere = bpf_copy_from_user_task(answer.text, 8, (void*)16, (void*)task, 0);
  answer.copied = bpf_copy_from_user_task(answer.text, sizeof(answer.text), (void*)source, (void*)task, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
