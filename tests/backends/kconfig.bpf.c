// Values of the kernel's configuration, copied to where a test can read them.
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool LINUX_HAS_BPF_COOKIE __kconfig;
extern bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;
extern unsigned int CONFIG_STRATA_NUMBER __kconfig __weak;
extern __s8 CONFIG_STRATA_SMALL __kconfig __weak;
extern __u64 CONFIG_STRATA_HEX __kconfig __weak;
extern bool CONFIG_STRATA_BOOL __kconfig __weak;
extern enum libbpf_tristate CONFIG_STRATA_TRISTATE __kconfig __weak;
extern char CONFIG_STRATA_CHAR __kconfig __weak;
extern char CONFIG_STRATA_TEXT[8] __kconfig __weak;
#ifdef STRONG
extern int CONFIG_STRATA_STRONG __kconfig;
#endif

__u64 version, cookie, wrapper, number, hex, truth, tristate, letter, strong;
__s64 small;
char text[8];

SEC("uprobe")
int on_call(struct pt_regs* ctx) {
  version = LINUX_KERNEL_VERSION;
  cookie = LINUX_HAS_BPF_COOKIE;
  wrapper = LINUX_HAS_SYSCALL_WRAPPER;
  number = CONFIG_STRATA_NUMBER;
  small = CONFIG_STRATA_SMALL;
  hex = CONFIG_STRATA_HEX;
  truth = CONFIG_STRATA_BOOL;
  tristate = CONFIG_STRATA_TRISTATE;
  letter = CONFIG_STRATA_CHAR;
  for (int i = 0; i < 8; ++i) text[i] = CONFIG_STRATA_TEXT[i];
#ifdef STRONG
  strong = CONFIG_STRATA_STRONG;
#endif
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
