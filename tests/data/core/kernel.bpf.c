// Reads of the kernel's own types, as tools do it: what is there on every kernel, what is there on some, what never
// was.
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
  int counter;
} atomic_t;
typedef struct {
  unsigned int val;
} kuid_t;
struct list_head {
  struct list_head *next, *prev;
};
struct qstr {
  const unsigned char* name;
};
struct super_block {
  unsigned int s_dev;
  unsigned long s_magic;
};
struct inode {
  unsigned long i_ino;
  unsigned short i_mode;
  struct super_block* i_sb;
};
struct dentry {
  struct qstr d_name;
  struct dentry* d_parent;
  struct inode* d_inode;
};
struct path {
  struct dentry* dentry;
};
struct file {
  struct path f_path;
  struct inode* f_inode;
  unsigned int f_flags;
  long long f_pos;
};
struct mm_struct {
  unsigned long start_stack;
  unsigned long arg_start;
  int map_count;
};
struct cred {
  kuid_t uid;
  kuid_t euid;
};
struct ns_common {
  unsigned int inum;
};
struct pid_namespace {
  struct ns_common ns;
  unsigned int level;
};
struct nsproxy {
  struct pid_namespace* pid_ns_for_children;
};
struct upid {
  int nr;
};
struct pid {
  unsigned int level;
  struct upid numbers[1];
};
struct signal_struct {
  atomic_t live;
  int group_exit_code;
};
struct task_struct {
  int pid;
  int tgid;
  int exit_code;
  unsigned int flags;
  char comm[16];
  unsigned long long start_time;
  struct task_struct* real_parent;
  struct task_struct* group_leader;
  struct list_head children;
  struct mm_struct* mm;
  struct signal_struct* signal;
  struct nsproxy* nsproxy;
  struct pid* thread_pid;
  struct cred* cred;
  unsigned in_execve : 1;
  unsigned no_cgroup_migration : 1;
};
struct task_struct___old {
  long state;
} __attribute__((preserve_access_index));
struct task_struct___new {
  unsigned int __state;
} __attribute__((preserve_access_index));
struct sock_common {
  union {
    struct {
      unsigned int skc_daddr;
      unsigned int skc_rcv_saddr;
    };
  };
  union {
    struct {
      unsigned short skc_dport;
      unsigned short skc_num;
    };
  };
  unsigned short skc_family;
  volatile unsigned char skc_state;
  unsigned char skc_reuse : 4;
  unsigned char skc_ipv6only : 1;
};
struct sock {
  struct sock_common __sk_common;
  unsigned short sk_type;
};
struct tcp_sock {
  unsigned int snd_cwnd;
  unsigned int srtt_us;
};
struct sk_buff {
  unsigned int len;
  unsigned char* head;
  unsigned short network_header;
  unsigned char pkt_type : 3;
  unsigned char ip_summed : 2;
};
struct bio {
  struct {
    unsigned int bi_size;
  } bi_iter;
};
struct no_such_type {
  int field;
};
enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_NEVER };
enum bpf_func_id___x { BPF_FUNC_ringbuf_output___x = 130, BPF_FUNC_never___x = 9999 };
typedef int (*initcall_t)(void);

__u64 out[64];

SEC("raw_tracepoint/sys_enter")
int tasks(void* ctx) {
  struct task_struct* task = (void*)bpf_get_current_task();
  out[0] = BPF_CORE_READ(task, pid);
  out[1] = BPF_CORE_READ(task, real_parent, real_parent, tgid);
  out[2] = BPF_CORE_READ(task, start_time);
  out[3] = BPF_CORE_READ(task, signal, live.counter);
  out[4] = BPF_CORE_READ(task, nsproxy, pid_ns_for_children, ns.inum);
  out[5] = BPF_CORE_READ(task, thread_pid, numbers[0].nr);
  out[6] = BPF_CORE_READ(task, cred, uid.val) + BPF_CORE_READ(task, cred, euid.val);
  out[7] = BPF_CORE_READ(task, mm, arg_start) + BPF_CORE_READ(task, mm, map_count);
  out[8] = BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
  out[9] = BPF_CORE_READ_BITFIELD_PROBED(task, no_cgroup_migration);
  out[10] = bpf_core_field_size(task->comm) + bpf_core_field_offset(task->comm);
  out[11] = (__u64)BPF_CORE_READ(task, children.next);
  struct task_struct___new* newer = (void*)task;
  struct task_struct___old* older = (void*)task;
  if (bpf_core_field_exists(newer->__state)) {
    out[12] = BPF_CORE_READ(newer, __state);
  } else {
    out[12] = BPF_CORE_READ(older, state);
  }
  return 0;
}

SEC("raw_tracepoint/sys_enter")
int files(void* ctx) {
  struct file* file = (void*)bpf_get_current_task();
  out[16] = BPF_CORE_READ(file, f_inode, i_ino);
  out[17] = BPF_CORE_READ(file, f_path.dentry, d_parent, d_inode, i_sb, s_magic);
  out[18] = (__u64)BPF_CORE_READ(file, f_path.dentry, d_name.name);
  out[19] = BPF_CORE_READ(file, f_flags) + BPF_CORE_READ(file, f_pos) + BPF_CORE_READ(file, f_inode, i_mode);
  out[20] = bpf_core_field_exists(file->f_flags);
  return 0;
}

SEC("raw_tracepoint/sys_enter")
int packets(void* ctx) {
  struct sock* sock = (void*)bpf_get_current_task();
  struct tcp_sock* tcp = (void*)sock;
  struct sk_buff* packet = (void*)sock;
  struct bio* bio = (void*)sock;
  out[24] = BPF_CORE_READ(sock, __sk_common.skc_daddr) + BPF_CORE_READ(sock, __sk_common.skc_num);
  out[25] = BPF_CORE_READ(sock, __sk_common.skc_family) + BPF_CORE_READ(sock, __sk_common.skc_state);
  out[26] = BPF_CORE_READ_BITFIELD_PROBED(sock, __sk_common.skc_reuse);
  out[27] = BPF_CORE_READ_BITFIELD_PROBED(sock, __sk_common.skc_ipv6only);
  out[28] = BPF_CORE_READ(sock, sk_type);
  out[29] = BPF_CORE_READ(tcp, snd_cwnd) + BPF_CORE_READ(tcp, srtt_us);
  out[30] = BPF_CORE_READ(packet, len) + BPF_CORE_READ(packet, network_header);
  out[31] = BPF_CORE_READ_BITFIELD_PROBED(packet, pkt_type) + BPF_CORE_READ_BITFIELD_PROBED(packet, ip_summed);
  out[32] = BPF_CORE_READ(bio, bi_iter.bi_size);
  return 0;
}

SEC("raw_tracepoint/sys_enter")
int questions(void* ctx) {
  struct no_such_type* none = (void*)bpf_get_current_task();
  out[40] = bpf_core_type_exists(struct task_struct) + 2 * bpf_core_type_exists(struct no_such_type);
  out[41] = bpf_core_type_size(struct task_struct) + bpf_core_type_size(struct no_such_type);
  out[42] = bpf_core_type_id_kernel(struct task_struct);
  out[43] = bpf_core_type_id_local(struct task_struct);
  out[44] = bpf_core_type_exists(initcall_t) + bpf_core_type_exists(kuid_t);
  out[45] = bpf_core_enum_value_exists(enum pid_type, PIDTYPE_TGID);
  out[46] = bpf_core_enum_value(enum pid_type, PIDTYPE_TGID);
  out[47] = bpf_core_enum_value_exists(enum pid_type, PIDTYPE_NEVER);
  out[48] = bpf_core_enum_value_exists(enum bpf_func_id___x, BPF_FUNC_never___x);
  out[49] = bpf_core_enum_value(enum bpf_func_id___x, BPF_FUNC_ringbuf_output___x);
  if (bpf_core_type_exists(struct no_such_type)) out[50] = BPF_CORE_READ(none, field);
  return 0;
}

// What the kernel gives typed: the offset is relocated in the load itself.
SEC("tp_btf/sched_switch")
int switches(__u64* ctx) {
  struct task_struct* previous = (void*)ctx[1];
  struct task_struct* next = (void*)ctx[2];
  out[56] = previous->pid + next->tgid + next->group_leader->pid;
  out[57] = next->signal->live.counter + next->thread_pid->level;
  return 0;
}

#pragma clang attribute pop

char LICENSE[] SEC("license") = "GPL";
