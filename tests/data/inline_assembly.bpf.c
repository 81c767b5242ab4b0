// Calls that only the assembler sees: of a function that nobody defines, and of one in this file.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int calls_nobody(struct xdp_md* ctx) {
  asm volatile("call nobody" ::: "r0", "r1", "r2", "r3", "r4", "r5");
  return 0;
}

__attribute__((noinline)) int somebody(int value) {
  volatile int result = value;
  return result;
}

SEC("xdp")
int calls_somebody(struct xdp_md* ctx) {
  asm volatile("r1 = 1; call somebody" ::: "r0", "r1", "r2", "r3", "r4", "r5");
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
