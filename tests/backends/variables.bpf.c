// Global variables of every section, and a subprogram.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

const volatile __u64 wanted = 7;
__u64 factor = 3;
__u64 matches;
__u64 total;

static __attribute__((noinline)) __u64 scaled(__u64 value) { return value * factor; }

SEC("uprobe")
int on_call(struct pt_regs* ctx) {
  __u64 argument = PT_REGS_PARM1(ctx);
  if (argument == wanted) __sync_fetch_and_add(&matches, 1);
  __sync_fetch_and_add(&total, scaled(argument));
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
