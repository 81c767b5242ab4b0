// What the helpers say of the thread that a program runs in.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct request {
  __u64 device;  // of the PID namespace
  __u64 inode;
  __u32 comm_size;
  __u32 ids_size;
};

struct answer {
  __u64 pid_tgid;
  __u64 uid_gid;
  __u64 ktime, boot, tai, jiffies;
  __s64 numa_node;
  __s64 comm_result, ids_result;
  __u8 comm[32];
  __u8 ids[16];
};

struct request request;
struct answer answer;

static void ask(void) {
  __u32 comm_size = request.comm_size;
  answer.pid_tgid = bpf_get_current_pid_tgid();
  answer.uid_gid = bpf_get_current_uid_gid();
  answer.ktime = bpf_ktime_get_ns();
  answer.boot = bpf_ktime_get_boot_ns();
  answer.jiffies = bpf_jiffies64();
  answer.numa_node = bpf_get_numa_node_id();
  if (comm_size > 0 && comm_size <= sizeof(answer.comm))
    answer.comm_result = bpf_get_current_comm(answer.comm, comm_size);
  if (request.ids_size == 8)
    answer.ids_result =
        bpf_get_ns_current_pid_tgid(request.device, request.inode, (struct bpf_pidns_info*)answer.ids, 8);
  else
    answer.ids_result =
        bpf_get_ns_current_pid_tgid(request.device, request.inode, (struct bpf_pidns_info*)answer.ids, 16);
}

SEC("syscall")
int ask_helpers(void* ctx) {
  ask();
  return 0;
}

static __u64 (*ktime_get_tai_ns)(void) = (void*)208;

SEC("syscall")
int ask_tai(void* ctx) {
  answer.tai = ktime_get_tai_ns();
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
