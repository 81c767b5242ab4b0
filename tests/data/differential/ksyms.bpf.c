// Symbols and variables of the kernel: by address and by type, there and not there.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct rq {
  int cpu;
} __attribute__((preserve_access_index));

extern const void _stext __ksym;
extern const void bpf_prog_put __ksym;
extern const void strata_no_such_symbol __ksym __weak;
extern const struct rq runqueues __ksym;
extern const int bpf_prog_active __ksym;
extern const int strata_no_such_variable __ksym __weak;

SEC("raw_tp/sys_enter")
int takes_addresses_of_symbols(void* ctx) {
  return &_stext != &bpf_prog_put;
}

SEC("raw_tp/sys_enter")
int asks_for_a_missing_symbol(void* ctx) {
  return &strata_no_such_symbol ? 1 : 0;
}

// Only a kernel with CONFIG_KALLSYMS_ALL finds the addresses of its variables.
SEC("?raw_tp/sys_enter")
int reads_a_variable(void* ctx) {
  int* active = (int*)bpf_this_cpu_ptr(&bpf_prog_active);
  return *active;
}

SEC("?raw_tp/sys_enter")
int reads_a_variable_of_each_cpu(void* ctx) {
  struct rq* rq = (struct rq*)bpf_per_cpu_ptr(&runqueues, 0);
  return rq ? rq->cpu : -1;
}

SEC("raw_tp/sys_enter")
int asks_for_a_missing_variable(void* ctx) {
  return &strata_no_such_variable ? 1 : 0;
}

char LICENSE[] SEC("license") = "GPL";
