// Tables of functions that the kernel calls, in each of the four sections.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct sock;

struct tcp_congestion_ops {
  __u32 (*ssthresh)(struct sock* sk);
  void (*cong_avoid)(struct sock* sk, __u32 ack, __u32 acked);
  __u32 (*undo_cwnd)(struct sock* sk);
  __u32 flags;
  char name[16];
};

SEC("struct_ops/ssthresh")
__u32 on_ssthresh(unsigned long long* ctx) {
  return 2;
}

SEC("struct_ops/undo_cwnd")
__u32 on_undo(unsigned long long* ctx) {
  return 10;
}

SEC("struct_ops.s/cong_avoid")
void on_cong_avoid(unsigned long long* ctx) {}

SEC(".struct_ops")
struct tcp_congestion_ops first = {
    .ssthresh = (void*)on_ssthresh, .cong_avoid = (void*)on_cong_avoid, .undo_cwnd = (void*)on_undo, .name = "strata_a"};

SEC(".struct_ops.link")
struct tcp_congestion_ops second = {.ssthresh = (void*)on_ssthresh, .flags = 3, .name = "strata_b"};
SEC(".struct_ops.link")
struct tcp_congestion_ops third = {.undo_cwnd = (void*)on_undo, .name = "strata_c"};

SEC("?.struct_ops.link")
struct tcp_congestion_ops optional = {.undo_cwnd = (void*)on_undo, .name = "strata_d"};

char LICENSE[] SEC("license") = "GPL";
