// One program for each way to trace; each counts what the process `target_tgid` does.
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define SYS_getppid 110

struct seq_file;

struct bpf_iter_meta {
  struct seq_file* seq;
} __attribute__((preserve_access_index));

struct task_struct {
  int pid;
  int tgid;
} __attribute__((preserve_access_index));

struct kernfs_node {
  __u64 id;
} __attribute__((preserve_access_index));

struct cgroup {
  struct kernfs_node* kn;
} __attribute__((preserve_access_index));

struct bpf_map;

struct bpf_iter__task {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
  struct bpf_iter_meta* meta;
  struct bpf_map* map;
  void* key;
  void* value;
} __attribute__((preserve_access_index));

struct bpf_iter__cgroup {
  struct bpf_iter_meta* meta;
  struct cgroup* cgroup;
} __attribute__((preserve_access_index));

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __u64);
} numbers SEC(".maps");

__u32 target_tgid;
__u64 hits;
__u64 returns;
__u64 cookies;         // their sum, one bit each
__u64 return_cookies;  // what the return saw
__u64 mismatches;      // returns that did not see what the entry left
__u64 skip_returns;    // what uprobe.session programs return at the entry

static __always_inline int is_target(void) { return bpf_get_current_pid_tgid() >> 32 == target_tgid; }

static __always_inline int count(void* ctx) {
  if (!is_target()) return 0;
  __sync_fetch_and_add(&hits, 1);
  __sync_fetch_and_or(&cookies, bpf_get_attach_cookie(ctx));
  return 0;
}

SEC("tp/syscalls/sys_enter_getppid")
int on_tracepoint(void* ctx) { return count(ctx); }

SEC("tracepoint")
int on_tracepoint_without_name(void* ctx) { return count(ctx); }

SEC("raw_tp/sys_enter")
int on_raw_tracepoint(struct bpf_raw_tracepoint_args* ctx) {
  return ctx->args[1] == SYS_getppid ? count(ctx) : 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_typed_tracepoint, struct pt_regs* regs, long id) { return id == SYS_getppid ? count(ctx) : 0; }

SEC("fentry/do_nanosleep")
int BPF_PROG(on_fentry) { return 0; }

SEC("fexit/do_nanosleep")
int BPF_PROG(on_fexit) { return 0; }

SEC("fmod_ret/security_file_open")
int BPF_PROG(on_fmod_ret) { return 0; }

SEC("lsm/file_open")
int BPF_PROG(on_lsm) { return 0; }

__attribute__((noinline)) int replaceable(struct __sk_buff* skb) {
  volatile int result = 1;
  return result;
}

SEC("tc")
int calls_replaceable(struct __sk_buff* skb) { return replaceable(skb); }

SEC("freplace/replaceable")
int replaces(struct __sk_buff* skb) { return 7; }

SEC("iter/task")
int lists_tasks(struct bpf_iter__task* ctx) {
  struct task_struct* task = ctx->task;
  if (task) BPF_SEQ_PRINTF(ctx->meta->seq, "tgid %d pid %d\n", task->tgid, task->pid);
  return 0;
}

SEC("iter/bpf_map_elem")
int lists_numbers(struct bpf_iter__bpf_map_elem* ctx) {
  const __u32* key = ctx->key;
  const __u64* value = ctx->value;
  if (key && value) BPF_SEQ_PRINTF(ctx->meta->seq, "%u is %llu\n", *key, *value);
  return 0;
}

SEC("iter/cgroup")
int lists_cgroups(struct bpf_iter__cgroup* ctx) {
  struct cgroup* cgroup = ctx->cgroup;
  if (cgroup) BPF_SEQ_PRINTF(ctx->meta->seq, "cgroup %llu\n", cgroup->kn->id);
  return 0;
}

SEC("perf_event")
int on_sample(struct bpf_perf_event_data* ctx) { return count(ctx); }

SEC("uprobe")
int on_uprobe(struct pt_regs* ctx) { return count(ctx); }

SEC("uretprobe")
int on_uretprobe(struct pt_regs* ctx) {
  if (is_target()) __sync_fetch_and_add(&returns, 1);
  return 0;
}

SEC("uprobe.multi//proc/self/exe:strata_traced_*")
int on_uprobes(struct pt_regs* ctx) { return count(ctx); }

SEC("uretprobe.multi//proc/self/exe:strata_traced_*")
int on_uretprobes(struct pt_regs* ctx) {
  if (is_target()) __sync_fetch_and_add(&returns, 1);
  return 0;
}

extern _Bool bpf_session_is_return(void) __ksym __weak;
extern __u64* bpf_session_cookie(void) __ksym __weak;

SEC("uprobe.session//proc/self/exe:strata_traced_*")
int on_session(struct pt_regs* ctx) {
  if (!is_target()) return 0;
  __u64* left_by_entry = bpf_session_cookie();
  if (!bpf_session_is_return()) {
    count(ctx);
    *left_by_entry = 0x5eed0000 + PT_REGS_PARM1(ctx);
    return skip_returns != 0;
  }
  __sync_fetch_and_add(&returns, 1);
  __sync_fetch_and_or(&return_cookies, bpf_get_attach_cookie(ctx));
  // The traced functions return ten times their argument.
  if (*left_by_entry != 0x5eed0000 + PT_REGS_RC(ctx) / 10) __sync_fetch_and_add(&mismatches, 1);
  return 0;
}

SEC("kprobe/do_nanosleep")
int on_kprobe(struct pt_regs* ctx) { return count(ctx); }

SEC("kretprobe/do_nanosleep")
int on_kretprobe(struct pt_regs* ctx) { return count(ctx); }

SEC("ksyscall/nanosleep")
int on_ksyscall(struct pt_regs* ctx) { return count(ctx); }

SEC("kretsyscall/nanosleep")
int on_kretsyscall(struct pt_regs* ctx) { return count(ctx); }

SEC("kprobe.multi/do_nanosl*")
int on_kprobes(struct pt_regs* ctx) { return count(ctx); }

SEC("kretprobe.multi/do_nanosl*")
int on_kretprobes(struct pt_regs* ctx) { return count(ctx); }

SEC("kprobe.session/do_nanosl*")
int on_kprobe_session(struct pt_regs* ctx) { return count(ctx); }

char LICENSE[] SEC("license") = "GPL";
