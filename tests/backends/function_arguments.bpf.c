// Arguments and results of the hooked function by helpers.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

struct {
  long arguments[8];  // the value, where the status is 0
  long argument_statuses[8];
  long result, result_status;
  long count;
} answer;

static int ask(void* ctx) {
  answer.count = bpf_get_func_arg_cnt(ctx);
  for (__u32 n = 0; n < 8; ++n) {
    __u64 value = 0;
    answer.argument_statuses[n] = bpf_get_func_arg(ctx, n, &value);
    answer.arguments[n] = value;
  }
  __u64 result = 0;
  answer.result_status = bpf_get_func_ret(ctx, &result);
  answer.result = result;
  return 0;
}

SEC("uprobe")
int on_entry(struct pt_regs* ctx) { return ask(ctx); }

SEC("uretprobe")
int on_return(struct pt_regs* ctx) { return ask(ctx); }

char LICENSE[] SEC("license") = "Dual MIT/GPL";
