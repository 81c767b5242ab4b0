// Calls functions of the process that it runs in.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

extern int add_to_score(int player, int points) __ksym;

SEC("uprobe")
int score(struct pt_regs* ctx) { return add_to_score(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx)); }

char LICENSE[] SEC("license") = "GPL";
