#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern int defined_elsewhere(int value);

SEC("uprobe")
int calls_undefined(void* ctx) {
  return defined_elsewhere(3);
}

char LICENSE[] SEC("license") = "GPL";
