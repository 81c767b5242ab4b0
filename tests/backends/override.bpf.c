// Functions that do not run: their programs say what they return.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("uprobe")
int answer(struct pt_regs* ctx) {
  if (PT_REGS_PARM1(ctx) >= 10) bpf_override_return(ctx, 1000 + PT_REGS_PARM2(ctx));
  return 0;
}

SEC("uretprobe")
int answer_late(struct pt_regs* ctx) {
  bpf_override_return(ctx, 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
