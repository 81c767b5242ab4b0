// Functions and symbols of the kernel that may be missing.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
  int pid;
};

struct task_struct* bpf_task_from_pid___as_i_know_it(int pid) __ksym;
void bpf_task_release(struct task_struct* task) __ksym;
void strata_no_such_function(int a) __ksym __weak;
void strata_no_strong_function(int a) __ksym;
void bpf_rcu_read_lock(int takes, int parameters) __ksym;
void bpf_rcu_read_unlock(int takes, int parameters) __ksym __weak;
extern const void bpf_prog_put __ksym;
extern const void strata_no_such_symbol __ksym __weak;
extern const void strata_no_strong_symbol __ksym;
extern const int bpf_prog_active __ksym;
extern const long runqueues __ksym;
extern const int strata_no_such_variable __ksym __weak;

SEC("?tc")
int calls_a_function(struct __sk_buff* skb) {
  struct task_struct* task = bpf_task_from_pid___as_i_know_it(skb->mark);
  if (!task) return 0;
  bpf_task_release(task);
  return 1;
}

SEC("?tc")
int guards_a_missing_function(struct __sk_buff* skb) {
  if (!strata_no_such_function) return 7;
  strata_no_such_function(1);
  return 8;
}

SEC("?tc")
int calls_a_missing_function(struct __sk_buff* skb) {
  strata_no_such_function(skb->mark);
  return 8;
}

SEC("?tc")
int calls_a_strong_missing_function(struct __sk_buff* skb) {
  strata_no_strong_function(skb->mark);
  return 8;
}

SEC("?tc")
int calls_with_another_prototype(struct __sk_buff* skb) {
  bpf_rcu_read_lock(1, 2);
  return 8;
}

SEC("?tc")
int calls_weakly_with_another_prototype(struct __sk_buff* skb) {
  if (bpf_rcu_read_unlock) bpf_rcu_read_unlock(1, 2);
  return 9;
}

SEC("?syscall")
int takes_an_address(unsigned long* ctx) {
  ctx[0] = (unsigned long)&bpf_prog_put;
  ctx[1] = (unsigned long)&strata_no_such_symbol;
  return 0;
}

SEC("?syscall")
int takes_a_missing_address(unsigned long* ctx) {
  ctx[0] = (unsigned long)&strata_no_strong_symbol;
  return 0;
}

SEC("?raw_tp/sys_enter")
int takes_a_variable(void* ctx) {
  return *(int*)bpf_this_cpu_ptr(&bpf_prog_active);
}

SEC("?raw_tp/sys_enter")
int takes_a_variable_of_another_type(void* ctx) {
  return *(long*)bpf_this_cpu_ptr(&runqueues);
}

SEC("?raw_tp/sys_enter")
int takes_a_missing_variable(void* ctx) {
  return &strata_no_such_variable ? 1 : 0;
}

SEC("?tp_btf/sched_switch")
int hooks_a_tracepoint(void* ctx) {
  return 0;
}

SEC("?tp_btf/strata_no_such_tracepoint")
int hooks_a_missing_tracepoint(void* ctx) {
  return 0;
}

SEC("?iter/strata_no_such_iterator")
int hooks_a_missing_iterator(void* ctx) {
  return 0;
}

SEC("?fentry/bpf_prog_put")
int hooks_a_function(void* ctx) {
  return 0;
}

SEC("?fexit/strata_no_such_function")
int hooks_a_missing_function(void* ctx) {
  return 0;
}

SEC("?lsm/file_open")
int hooks_an_lsm_hook(void* ctx) {
  return 0;
}

SEC("?fentry")
int hooks_nothing(void* ctx) {
  return 0;
}

SEC("?kprobe/do_nanosleep")
int needs_a_version(void* ctx) {
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
