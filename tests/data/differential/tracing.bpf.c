// Sections of tracing programs.
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct;

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, 4);
  __uint(value_size, 4);
} events SEC(".maps");

__u64 hits;

static __attribute__((noinline)) int report(void* ctx) {
  __u64 sample = bpf_ktime_get_ns();
  bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &sample, sizeof(sample));
  return 0;
}

SEC("kprobe/do_nanosleep")
int on_kprobe(struct pt_regs* ctx) {
  hits += PT_REGS_PARM1(ctx) != 0;
  return report(ctx);
}

SEC("kretprobe/do_nanosleep")
int on_kretprobe(struct pt_regs* ctx) {
  hits += PT_REGS_RC(ctx);
  return 0;
}

SEC("uprobe")
int on_uprobe(struct pt_regs* ctx) {
  hits += bpf_get_attach_cookie(ctx);
  return report(ctx);
}

SEC("uretprobe")
int on_uretprobe(struct pt_regs* ctx) {
  hits += bpf_get_func_ip(ctx) != 0;
  return 0;
}

SEC("uprobe.s")
int on_sleepable_uprobe(struct pt_regs* ctx) {
  char byte;
  return bpf_copy_from_user(&byte, 1, (void*)PT_REGS_PARM1(ctx));
}

SEC("tracepoint/syscalls/sys_enter_openat")
int on_tracepoint(void* ctx) {
  hits++;
  return report(ctx);
}

SEC("tp/sched/sched_switch")
int on_short_tracepoint(void* ctx) {
  hits += bpf_get_smp_processor_id();
  return 0;
}

SEC("raw_tracepoint/sched_switch")
int on_raw_tracepoint(struct bpf_raw_tracepoint_args* ctx) {
  hits += ctx->args[0];
  return report(ctx);
}

SEC("raw_tp.w/sys_enter")
int on_writable_raw_tracepoint(struct bpf_raw_tracepoint_args* ctx) {
  hits++;
  return 0;
}

SEC("perf_event")
int on_perf_event(struct bpf_perf_event_data* ctx) {
  hits += ctx->sample_period;
  return report(ctx);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_typed_tracepoint, struct task_struct* task) {
  hits += task == bpf_get_current_task_btf();
  return 0;
}

// Refused by kernels whose LSM list does not name bpf.
SEC("?lsm/file_open")
int BPF_PROG(on_lsm_hook, void* file, int verdict) {
  hits++;
  return verdict;
}

SEC("?lsm.s/bprm_committed_creds")
int BPF_PROG(on_sleepable_lsm_hook, void* program) {
  hits++;
  return 0;
}

SEC("syscall")
int on_test_run(void* ctx) {
  hits += 3;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
