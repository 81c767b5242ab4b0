// Samples to perf event arrays: one per call, as long as its second argument says.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define MOST_BYTES 32768

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} samples SEC(".maps");

__u64 slot = BPF_F_CURRENT_CPU;
__u64 sent;
__u64 refused;
struct {
  __u64 number;
  __u8 bytes[MOST_BYTES];
} sample;

SEC("uprobe")
int send(struct pt_regs* ctx) {
  __u64 size = PT_REGS_PARM2(ctx);
  if (size < 8 || size > MOST_BYTES) return 0;
  sample.number = PT_REGS_PARM1(ctx);
  if (bpf_perf_event_output(ctx, &samples, slot, &sample, size) == 0) {
    __sync_fetch_and_add(&sent, 1);
  } else {
    __sync_fetch_and_add(&refused, 1);
  }
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
