// Signals that a program sends.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

__u32 number;
__s64 result;

SEC("raw_tp")
int to_process(void* context) {
  result = bpf_send_signal(number);
  return 0;
}

SEC("raw_tp")
int to_thread(void* context) {
  result = bpf_send_signal_thread(number);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
