#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;

SEC("uprobe")
int uses_kconfig(void* ctx) {
  return LINUX_KERNEL_VERSION;
}

char LICENSE[] SEC("license") = "GPL";
