// What the objects of the linker's tests share.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct event {
  __u32 pid;
  char comm[16];
};

struct task_struct {
  int pid;
  int tgid;
} __attribute__((preserve_access_index));
