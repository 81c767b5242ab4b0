// The stack of a probed function, into a map and into memory.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

enum { FRAMES = 16 };

struct {
  __uint(type, BPF_MAP_TYPE_STACK_TRACE);
  __uint(max_entries, 64);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, FRAMES * sizeof(__u64));
} stacks SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK_TRACE);
  __uint(max_entries, 1);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, FRAMES * sizeof(__u64));
} one_stack SEC(".maps");

__u64 flags = BPF_F_USER_STACK;
__u64 size = FRAMES * sizeof(__u64);
__s64 id;
__s64 id_in_one;
__s64 copied;
__u64 frames[FRAMES];

SEC("uprobe")
int take_stack(struct pt_regs* ctx) {
  __u64 bytes = size;
  if (bytes > sizeof(frames)) return 0;
  id = bpf_get_stackid(ctx, &stacks, flags);
  id_in_one = bpf_get_stackid(ctx, &one_stack, flags);
  copied = bpf_get_stack(ctx, frames, bytes, flags);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
