// A congestion control of our own: callbacks of the kernel's struct, found by the names of its members.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sock;
struct rate_sample;

struct tcp_congestion_ops {
  char name[16];
  __u32 flags;
  void (*init)(struct sock* sk);
  void (*release)(struct sock* sk);
  __u32 (*ssthresh)(struct sock* sk);
  void (*cong_avoid)(struct sock* sk, __u32 ack, __u32 acked);
  __u32 (*undo_cwnd)(struct sock* sk);
} __attribute__((preserve_access_index));

int starts;

static __attribute__((noinline)) __u32 window(__u32 a) { return a * 2 + starts; }

SEC("struct_ops/strata_init")
void BPF_PROG(strata_init, struct sock* sk) {
  starts++;
}

SEC("struct_ops/strata_ssthresh")
__u32 BPF_PROG(strata_ssthresh, struct sock* sk) {
  return window(5);
}

SEC("struct_ops/strata_cong_avoid")
void BPF_PROG(strata_cong_avoid, struct sock* sk, __u32 ack, __u32 acked) {}

SEC("struct_ops/strata_undo_cwnd")
__u32 BPF_PROG(strata_undo_cwnd, struct sock* sk) {
  return window(10);
}

SEC(".struct_ops")
struct tcp_congestion_ops strata_congestion = {
    .name = "bpf_strata",
    .init = (void*)strata_init,
    .ssthresh = (void*)strata_ssthresh,
    .cong_avoid = (void*)strata_cong_avoid,
    .undo_cwnd = (void*)strata_undo_cwnd,
};

char LICENSE[] SEC("license") = "GPL";
