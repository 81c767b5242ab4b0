// Values of the kernel's configuration, of each type.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <stdbool.h>

extern int LINUX_KERNEL_VERSION __kconfig;
extern unsigned int CONFIG_HZ __kconfig;
extern bool CONFIG_BPF_SYSCALL __kconfig;
extern enum libbpf_tristate CONFIG_NET __kconfig;
extern enum libbpf_tristate CONFIG_DOES_NOT_EXIST __kconfig __weak;
extern char CONFIG_INET __kconfig;
extern char CONFIG_CC_VERSION_TEXT[12] __kconfig;
extern __u64 CONFIG_NR_CPUS __kconfig;
extern __u16 CONFIG_MISSING_SHORT __kconfig __weak;
extern bool LINUX_SOMETHING_NEW __kconfig __weak;

SEC("socket")
int depends_on_the_version(struct __sk_buff* skb) {
  return LINUX_KERNEL_VERSION > 0x040000 ? 1 : 2;
}

SEC("socket")
int depends_on_numbers(struct __sk_buff* skb) {
  return CONFIG_HZ + CONFIG_NR_CPUS + CONFIG_MISSING_SHORT;
}

SEC("socket")
int depends_on_answers(struct __sk_buff* skb) {
  if (!CONFIG_BPF_SYSCALL) return 1;
  if (CONFIG_NET == TRI_YES && CONFIG_DOES_NOT_EXIST == TRI_NO) return 2;
  return CONFIG_INET == 'y' ? 3 : LINUX_SOMETHING_NEW;
}

SEC("socket")
int depends_on_a_text(struct __sk_buff* skb) {
  return CONFIG_CC_VERSION_TEXT[0] + CONFIG_CC_VERSION_TEXT[11];
}

char LICENSE[] SEC("license") = "GPL";
