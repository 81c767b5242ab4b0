// Where a probe is, as its program learns it.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

__u64 address_at_entry;
__u64 address_at_return;

SEC("uprobe")
int at_entry(struct pt_regs* ctx) {
  address_at_entry = bpf_get_func_ip(ctx);
  return 0;
}

SEC("uretprobe")
int at_return(struct pt_regs* ctx) {
  address_at_return = bpf_get_func_ip(ctx);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
