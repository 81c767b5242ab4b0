// A program that never ends, and holds a record while it does not.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} events SEC(".maps");

SEC("raw_tp")
int keeps_a_record(void* context) {
  volatile __u64* record = bpf_ringbuf_reserve(&events, 8, 0);
  if (!record) return 1;
  for (;;) *record += 1;
  return 0;
}

SEC("raw_tp")
int sends_a_record(void* context) {
  __u64 record = 77;
  return bpf_ringbuf_output(&events, &record, sizeof(record), 0) == 0;
}

char LICENSE[] SEC("license") = "GPL";
