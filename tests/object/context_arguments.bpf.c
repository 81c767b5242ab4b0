/* Global subprograms that get the context by an argument that only a tag marks as such. */
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

#define __arg_ctx __attribute__((btf_decl_tag("arg:ctx")))

char LICENSE[] SEC("license") = "GPL";

__attribute__((noinline)) int length_of(void *context __arg_ctx) {
  struct __sk_buff *packet = context;
  return packet->len;
}

__attribute__((noinline)) int parameter_of(int unused, struct pt_regs *context __arg_ctx) {
  return (int)context->rdi + unused;
}

/* Has the kernel's own type already. */
__attribute__((noinline)) int mark_of(struct __sk_buff *packet __arg_ctx) { return packet->mark; }

SEC("tc") int filter(struct __sk_buff *packet) { return length_of(packet) + mark_of(packet); }

SEC("kprobe") int probe(struct pt_regs *context) { return parameter_of(1, context) != 3; }
