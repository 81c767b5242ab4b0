// A constant of the loader's decides what the verifier looks at.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

const volatile __u32 calls_the_future = 1;

static long (*helper_of_the_future)(void) = (void*)9999;

SEC("socket")
int decides(struct __sk_buff* skb) { return calls_the_future ? (int)helper_of_the_future() : 5; }

char LICENSE[] SEC("license") = "GPL";
