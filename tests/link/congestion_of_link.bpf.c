// Two congestion controls of one name: one takes the other's place.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sock;

struct tcp_congestion_ops {
  char name[16];
  __u32 (*ssthresh)(struct sock* sk);
  void (*cong_avoid)(struct sock* sk, __u32 ack, __u32 acked);
  __u32 (*undo_cwnd)(struct sock* sk);
  void (*init)(struct sock* sk);
};

__u32 first_starts, second_starts, acknowledged;

SEC("struct_ops")
__u32 BPF_PROG(ssthresh, struct sock* sk) {
  return 5;
}

SEC("struct_ops")
void BPF_PROG(cong_avoid, struct sock* sk, __u32 ack, __u32 acked) {
  acknowledged += acked;
}

SEC("struct_ops")
__u32 BPF_PROG(undo_cwnd, struct sock* sk) {
  return 10;
}

SEC("struct_ops")
void BPF_PROG(first_init, struct sock* sk) {
  first_starts++;
}

SEC("struct_ops")
void BPF_PROG(second_init, struct sock* sk) {
  second_starts++;
}

SEC(".struct_ops.link")
struct tcp_congestion_ops first = {
    .name = "strata_link",
    .ssthresh = (void*)ssthresh,
    .cong_avoid = (void*)cong_avoid,
    .undo_cwnd = (void*)undo_cwnd,
    .init = (void*)first_init,
};

SEC(".struct_ops.link")
struct tcp_congestion_ops second = {
    .name = "strata_link",
    .ssthresh = (void*)ssthresh,
    .cong_avoid = (void*)cong_avoid,
    .undo_cwnd = (void*)undo_cwnd,
    .init = (void*)second_init,
};

SEC(".struct_ops")
struct tcp_congestion_ops without_link = {
    .name = "strata_nolink",
    .ssthresh = (void*)ssthresh,
    .cong_avoid = (void*)cong_avoid,
    .undo_cwnd = (void*)undo_cwnd,
};

char LICENSE[] SEC("license") = "GPL";
