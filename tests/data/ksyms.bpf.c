#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern const void bpf_prog_active __ksym;

SEC("uprobe")
int uses_ksym(void* ctx) {
  return (long)&bpf_prog_active & 0xff;
}

char LICENSE[] SEC("license") = "GPL";
