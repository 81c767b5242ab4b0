// What task_struct.bpf.c says of the current task.
#pragma once

#include <linux/types.h>

enum task_namespace {
  TASK_USER,
  TASK_PID,
  TASK_MNT,
  TASK_UTS,
  TASK_IPC,
  TASK_NET,
  TASK_TIME,
  TASK_CGROUP,
  TASK_NAMESPACES
};

struct task_answer {
  __u64 task;
  __s32 pid, tgid, leader_pid, parent_pid, tracing_parent_pid, grandparent_pid;
  char comm[16], leader_comm[16], parent_comm[16];
  __u32 flags;
  __s32 exit_code, exit_signal;
  __u64 start_time, start_boottime;
  __u32 loginuid, sessionid;
  __u32 uid, gid, euid, egid, suid, sgid, fsuid, fsgid;
  __u64 capabilities[5];
  __u32 namespaces[TASK_NAMESPACES];
  __s32 namespace_pid;
  char nodename[65];
  char cgroup_name[64];
  __u64 cgroup_id;
  __u64 arg_start, arg_end, env_start, env_end, start_stack, start_code, start_brk;
  __u64 exe_inode;
  __u32 exe_device;
  __u16 exe_mode;
};
