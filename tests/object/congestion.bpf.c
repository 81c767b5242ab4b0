// Congestion controls, good and bad ones.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sock;

#ifndef SECTION
#define SECTION ".struct_ops"
#endif
#ifndef MEMBER_BITS
#define MEMBER_BITS
#endif
#ifndef VALUE
#define VALUE
#endif
#ifndef FLAGS_TYPE
#define FLAGS_TYPE __u32
#endif

// In an order of its own, by a variant's name.
struct tcp_congestion_ops___other {
  __u32 (*undo_cwnd)(struct sock* sk);
#ifdef MEMBER_NAME
  MEMBER_TYPE MEMBER_NAME MEMBER_BITS;
#endif
  char name[16];
  void (*cong_avoid)(struct sock* sk, __u32 ack, __u32 acked);
  FLAGS_TYPE flags;
  __u32 (*ssthresh)(struct sock* sk);
  void (*of_another_kernel)(struct sock* sk);
};

int starts;

SEC("struct_ops")
__u32 BPF_PROG(ssthresh, struct sock* sk) {
  starts++;
  return 5;
}

SEC("struct_ops")
void BPF_PROG(cong_avoid, struct sock* sk, __u32 ack, __u32 acked) {}

SEC("struct_ops")
__u32 BPF_PROG(undo_cwnd, struct sock* sk) {
  return 10;
}

#ifdef CALLBACK_OF_ANOTHER_KERNEL
SEC("struct_ops")
void BPF_PROG(of_another_kernel, struct sock* sk) {}
#endif
#ifdef UNUSED_PROGRAM
SEC("struct_ops")
void BPF_PROG(of_no_use, struct sock* sk) {}
#endif

SEC(SECTION)
struct tcp_congestion_ops___other strata_control = {
    .name = "strata_test",
    .ssthresh = (void*)ssthresh,
    .cong_avoid = (void*)cong_avoid,
    .undo_cwnd = (void*)undo_cwnd,
#ifdef CALLBACK_OF_ANOTHER_KERNEL
    .of_another_kernel = (void*)of_another_kernel,
#endif
    VALUE
};

char LICENSE[] SEC("license") = "GPL";
