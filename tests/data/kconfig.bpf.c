// Values of the kernel's configuration, of each type that one can have.
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

typedef unsigned short number_t;

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_BPF __kconfig;
extern enum libbpf_tristate CONFIG_IPV6 __kconfig __weak;
extern char CONFIG_LETTER __kconfig __weak;
extern const number_t CONFIG_NR_CPUS __kconfig __weak;
extern unsigned long CONFIG_PHYSICAL_START __kconfig __weak;
extern const char CONFIG_DEFAULT_HOSTNAME[12] __kconfig __weak;

SEC("uprobe")
int uses_kconfig(void* ctx) {
  return LINUX_KERNEL_VERSION;
}

SEC("uprobe")
int uses_all(void* ctx) {
  return CONFIG_BPF + CONFIG_IPV6 + CONFIG_LETTER + CONFIG_NR_CPUS + CONFIG_PHYSICAL_START + CONFIG_DEFAULT_HOSTNAME[1];
}

char LICENSE[] SEC("license") = "GPL";
