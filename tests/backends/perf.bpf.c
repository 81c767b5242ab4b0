// Sends as many samples as asked for, numbered, of the size and to the slot asked for.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define MOST_BYTES 32768

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} samples SEC(".maps");

__u64 flags = BPF_F_CURRENT_CPU;
__u64 size = 8;
__u64 first;
__u64 count = 1;

__u64 sent;
__u64 refused;
__s64 last_error;
__u64 processor;
struct {
  __u64 number;
  __u8 bytes[MOST_BYTES];
} sample;

SEC("raw_tp")
int send(void* ctx) {
  for (__u64 i = 0; i < 2048; ++i) {
    if (i >= count) break;
    __u64 bytes = size;
    if (bytes > MOST_BYTES) return 0;
    sample.number = first + i;
    long error = bpf_perf_event_output(ctx, &samples, flags, &sample, bytes);
    if (error) {
      last_error = error;
      refused += 1;
    } else {
      sent += 1;
    }
  }
  processor = bpf_get_smp_processor_id();
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
