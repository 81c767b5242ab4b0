// What the kernel exports: addresses, variables with a type, functions; some of them may be missing.
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

struct rq;
struct task_struct;

extern const void bpf_prog_active __ksym;
extern const void made_up_symbol __ksym __weak;
extern const struct rq runqueues __ksym;
extern const int bpf_stats_enabled_key __ksym __weak;
extern struct task_struct* bpf_task_from_pid(int) __ksym;
extern void bpf_task_release(struct task_struct* task) __ksym;
extern void made_up_function(struct task_struct*, int second) __ksym __weak;

SEC("uprobe")
int uses_ksym(void* ctx) {
  return (long)&bpf_prog_active & 0xff;
}

SEC("uprobe")
int uses_missing_ksym(void* ctx) {
  return &made_up_symbol ? 1 : 2;
}

SEC("uprobe")
int uses_variables(void* ctx) {
  return (&bpf_stats_enabled_key != 0) + ((long)&runqueues & 0xff);
}

SEC("syscall")
int calls_kfuncs(void* ctx) {
  struct task_struct* task = bpf_task_from_pid(1);
  if (!task) return 1;
  if (made_up_function) made_up_function(task, 2);
  bpf_task_release(task);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
