// A helper that the kernel keeps for programs under the GPL.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tracepoint")
int calls_a_gpl_helper(void* ctx) {
  char text[] = "text";
  bpf_trace_printk(text, sizeof(text));
  return 0;
}

char LICENSE[] SEC("license") = "Proprietary";
