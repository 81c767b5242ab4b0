// A map larger than any memory.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

struct value {
  char bytes[1 << 20];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2000000000);
  __type(key, __u32);
  __type(value, struct value);
} huge SEC(".maps");

SEC("uprobe/libc.so.6:malloc")
int on_call(struct pt_regs* ctx) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&huge, &zero) != 0;
}

char LICENSE[] SEC("license") = "GPL";
