// Programs whose sections say where they go, and others.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

__u64 adds;

SEC("uprobe//proc/self/exe:strata_test_add")
int on_add(struct pt_regs* ctx) {
  __sync_fetch_and_add(&adds, 1);
  return 0;
}

SEC("uprobe")
int anywhere(struct pt_regs* ctx) { return 0; }

SEC("?uprobe//proc/self/exe:no_such_function")
int nowhere(struct pt_regs* ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
