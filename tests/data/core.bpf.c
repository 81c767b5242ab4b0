// A field access that CO-RE relocates, in the program and in a subprogram.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct task_struct {
  int pid;
  int tgid;
} __attribute__((preserve_access_index));

static __noinline int tgid_of(struct task_struct* task) { return BPF_CORE_READ(task, tgid); }

SEC("uprobe")
int reads_task(void* ctx) {
  struct task_struct* task = (void*)bpf_get_current_task();
  return tgid_of(task) + bpf_core_field_exists(task->pid);
}

char LICENSE[] SEC("license") = "GPL";
