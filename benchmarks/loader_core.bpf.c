// 500 CO-RE relocations of 50 programs, over fields of common types of the kernel.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define KERNEL_TYPE __attribute__((preserve_access_index))

struct mm_struct {
  unsigned long start_code, end_code, start_data, end_data, start_brk, brk, start_stack, total_vm;
} KERNEL_TYPE;
struct cred {
  int uid, gid, suid, sgid, euid, egid;
} KERNEL_TYPE;
struct signal_struct {
  int nr_threads, group_exit_code, flags;
} KERNEL_TYPE;
struct task_struct {
  int pid, tgid, prio, static_prio, normal_prio, exit_code, exit_state, on_cpu;
  unsigned int flags;
  struct task_struct *real_parent, *parent, *group_leader;
  struct mm_struct* mm;
  struct signal_struct* signal;
  const struct cred* cred;
} KERNEL_TYPE;
struct super_block {
  unsigned long s_flags, s_magic, s_blocksize;
} KERNEL_TYPE;
struct inode {
  unsigned long i_ino;
  unsigned short i_mode;
  long long i_size;
  struct super_block* i_sb;
} KERNEL_TYPE;
struct file {
  unsigned int f_flags, f_mode;
  long long f_pos;
  struct inode* f_inode;
} KERNEL_TYPE;
struct net_device {
  int ifindex;
  unsigned int mtu, flags;
} KERNEL_TYPE;
struct sk_buff {
  unsigned int len, data_len, mark, priority;
  struct net_device* dev;
} KERNEL_TYPE;

#define PROGRAM(n, a, b, c, d, e)                                                                    \
  SEC("raw_tp/event_" #n)                                                                            \
  int on_event_##n(struct bpf_raw_tracepoint_args* ctx) {                                            \
    struct task_struct* task = (void*)ctx->args[0];                                                  \
    struct file* file = (void*)ctx->args[1];                                                         \
    struct sk_buff* skb = (void*)ctx->args[2];                                                       \
    return BPF_CORE_READ(task, a) + BPF_CORE_READ(task, mm, b) + BPF_CORE_READ(task, cred, c) +      \
           BPF_CORE_READ(file, f_inode, d) + BPF_CORE_READ(skb, dev, e) + BPF_CORE_READ(skb, len);   \
  }

#define FIVE(n)                                                          \
  PROGRAM(n##0, pid, start_code, uid, i_ino, ifindex)                    \
  PROGRAM(n##1, prio, end_code, gid, i_mode, mtu)                        \
  PROGRAM(n##2, flags, start_data, suid, i_size, flags)                  \
  PROGRAM(n##3, on_cpu, brk, euid, i_ino, mtu)                           \
  PROGRAM(n##4, exit_code, total_vm, egid, i_size, ifindex)
FIVE(0) FIVE(1) FIVE(2) FIVE(3) FIVE(4) FIVE(5) FIVE(6) FIVE(7) FIVE(8) FIVE(9)

char LICENSE[] SEC("license") = "GPL";
