// What tools read of the current task, by CO-RE.
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "task_struct.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
  unsigned int val;
} kuid_t;
typedef struct {
  unsigned int val;
} kgid_t;
typedef struct {
  unsigned long long val;
} kernel_cap_t;
struct ns_common {
  unsigned int inum;
};
struct user_namespace {
  struct ns_common ns;
};
struct pid_namespace {
  struct ns_common ns;
  unsigned int level;
};
struct mnt_namespace {
  struct ns_common ns;
};
struct ipc_namespace {
  struct ns_common ns;
};
struct cgroup_namespace {
  struct ns_common ns;
};
struct time_namespace {
  struct ns_common ns;
};
struct net {
  struct ns_common ns;
};
struct new_utsname {
  char nodename[65];
};
struct uts_namespace {
  struct new_utsname name;
  struct ns_common ns;
};
struct nsproxy {
  struct uts_namespace* uts_ns;
  struct ipc_namespace* ipc_ns;
  struct mnt_namespace* mnt_ns;
  struct pid_namespace* pid_ns_for_children;
  struct net* net_ns;
  struct time_namespace* time_ns;
  struct cgroup_namespace* cgroup_ns;
};
struct cred {
  kuid_t uid, suid, euid, fsuid;
  kgid_t gid, sgid, egid, fsgid;
  kernel_cap_t cap_inheritable, cap_permitted, cap_effective, cap_bset, cap_ambient;
  struct user_namespace* user_ns;
};
struct upid {
  int nr;
  struct pid_namespace* ns;
};
struct pid {
  unsigned int level;
  struct upid numbers[1];
};
struct kernfs_node {
  const char* name;
  unsigned long long id;
};
struct cgroup {
  struct kernfs_node* kn;
};
struct css_set {
  struct cgroup* dfl_cgrp;
};
struct super_block {
  unsigned int s_dev;
};
struct inode {
  unsigned long i_ino;
  unsigned short i_mode;
  struct super_block* i_sb;
};
struct file {
  struct inode* f_inode;
};
struct mm_struct {
  unsigned long arg_start, arg_end, env_start, env_end, start_stack, start_code, start_brk;
  struct file* exe_file;
};
struct task_struct {
  unsigned int flags;
  int exit_code, exit_signal;
  int pid, tgid;
  char comm[16];
  unsigned long long start_time, start_boottime;
  kuid_t loginuid;
  unsigned int sessionid;
  struct task_struct *real_parent, *parent, *group_leader;
  const struct cred *cred, *real_cred;
  struct nsproxy* nsproxy;
  struct css_set* cgroups;
  struct pid* thread_pid;
  struct mm_struct* mm;
};

#pragma clang attribute pop

struct task_answer answer;

static void read_ids(struct task_struct* task) {
  answer.pid = BPF_CORE_READ(task, pid);
  answer.tgid = BPF_CORE_READ(task, tgid);
  BPF_CORE_READ_STR_INTO(&answer.comm, task, comm);
  answer.leader_pid = BPF_CORE_READ(task, group_leader, pid);
  BPF_CORE_READ_STR_INTO(&answer.leader_comm, task, group_leader, comm);
  answer.parent_pid = BPF_CORE_READ(task, real_parent, tgid);
  answer.tracing_parent_pid = BPF_CORE_READ(task, parent, tgid);
  BPF_CORE_READ_STR_INTO(&answer.parent_comm, task, real_parent, comm);
  answer.grandparent_pid = BPF_CORE_READ(task, real_parent, real_parent, tgid);
  answer.flags = BPF_CORE_READ(task, flags);
  answer.exit_code = BPF_CORE_READ(task, exit_code);
  answer.exit_signal = BPF_CORE_READ(task, exit_signal);
  answer.start_time = BPF_CORE_READ(task, start_time);
  answer.start_boottime = BPF_CORE_READ(task, start_boottime);
  answer.loginuid = BPF_CORE_READ(task, loginuid.val);
  answer.sessionid = BPF_CORE_READ(task, sessionid);
}

static void read_cred(struct task_struct* task) {
  const struct cred* cred = BPF_CORE_READ(task, cred);
  answer.uid = BPF_CORE_READ(task, cred, uid.val);
  answer.gid = BPF_CORE_READ(task, real_cred, gid.val);
  answer.euid = BPF_CORE_READ(task, cred, euid.val);
  answer.egid = BPF_CORE_READ(task, cred, egid.val);
  answer.suid = BPF_CORE_READ(task, cred, suid.val);
  answer.sgid = BPF_CORE_READ(task, cred, sgid.val);
  answer.fsuid = BPF_CORE_READ(task, cred, fsuid.val);
  answer.fsgid = BPF_CORE_READ(task, cred, fsgid.val);
  answer.capabilities[0] = BPF_CORE_READ(cred, cap_inheritable.val);
  answer.capabilities[1] = BPF_CORE_READ(cred, cap_permitted.val);
  answer.capabilities[2] = BPF_CORE_READ(cred, cap_effective.val);
  answer.capabilities[3] = BPF_CORE_READ(cred, cap_bset.val);
  answer.capabilities[4] = BPF_CORE_READ(cred, cap_ambient.val);
}

static void read_namespaces(struct task_struct* task) {
  unsigned int level = BPF_CORE_READ(task, nsproxy, pid_ns_for_children, level);
  struct pid* pid = BPF_CORE_READ(task, thread_pid);
  answer.namespaces[TASK_USER] = BPF_CORE_READ(task, cred, user_ns, ns.inum);
  answer.namespaces[TASK_PID] = BPF_CORE_READ(task, nsproxy, pid_ns_for_children, ns.inum);
  answer.namespaces[TASK_MNT] = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
  answer.namespaces[TASK_UTS] = BPF_CORE_READ(task, nsproxy, uts_ns, ns.inum);
  answer.namespaces[TASK_IPC] = BPF_CORE_READ(task, nsproxy, ipc_ns, ns.inum);
  answer.namespaces[TASK_NET] = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
  answer.namespaces[TASK_TIME] = BPF_CORE_READ(task, nsproxy, time_ns, ns.inum);
  answer.namespaces[TASK_CGROUP] = BPF_CORE_READ(task, nsproxy, cgroup_ns, ns.inum);
  BPF_CORE_READ_STR_INTO(&answer.nodename, task, nsproxy, uts_ns, name.nodename);
  answer.namespace_pid = BPF_CORE_READ(pid, numbers[level].nr);
}

static void read_memory(struct task_struct* task) {
  const char* name = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, name);
  answer.cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
  bpf_probe_read_kernel_str(answer.cgroup_name, sizeof(answer.cgroup_name), name);
  answer.arg_start = BPF_CORE_READ(task, mm, arg_start);
  answer.arg_end = BPF_CORE_READ(task, mm, arg_end);
  answer.env_start = BPF_CORE_READ(task, mm, env_start);
  answer.env_end = BPF_CORE_READ(task, mm, env_end);
  answer.start_stack = BPF_CORE_READ(task, mm, start_stack);
  answer.start_code = BPF_CORE_READ(task, mm, start_code);
  answer.start_brk = BPF_CORE_READ(task, mm, start_brk);
  answer.exe_inode = BPF_CORE_READ(task, mm, exe_file, f_inode, i_ino);
  answer.exe_mode = BPF_CORE_READ(task, mm, exe_file, f_inode, i_mode);
  answer.exe_device = BPF_CORE_READ(task, mm, exe_file, f_inode, i_sb, s_dev);
}

SEC("syscall")
int read_task(void* ctx) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task();
  answer.task = (__u64)task;
  read_ids(task);
  read_cred(task);
  read_namespaces(task);
  read_memory(task);
  return 0;
}

SEC("syscall")
int touch_task(void* ctx) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task();
  return BPF_CORE_READ(task, tgid) != bpf_get_current_pid_tgid() >> 32;
}

char LICENSE[] SEC("license") = "GPL";
