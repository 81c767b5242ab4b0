// Names a function, or a library, that does not exist.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

#ifdef LIBRARY
SEC("uprobe/libnosuch.so.9:malloc")
#else
SEC("uprobe/libc.so.6:mallok")
#endif
int on_call(struct pt_regs* ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
