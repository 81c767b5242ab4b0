// One callback of a struct_ops variable: its program cannot be loaded without one. SECTION is the program's.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct tcp_congestion_ops {
  char name[16];
  __u32 (*ssthresh)(void* sk);
};

SEC(SECTION)
__u32 section_row(__u64* arguments) { return 5; }

SEC(".struct_ops")
struct tcp_congestion_ops control = {
    .name = "strata_rows",
    .ssthresh = (void*)section_row,
};

char LICENSE[] SEC("license") = "GPL";
