// Maps to work on, and programs that fill what both consumers empty.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define RECORDS 20000
#define RECORD_BYTES 64

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 100000);
  __type(key, __u32);
  __type(value, __u64);
} table SEC(".maps");

struct ring {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 2 << 20);
};
struct ring ring_of_strata SEC(".maps");
struct ring ring_of_libbpf SEC(".maps");

struct samples {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
};
struct samples samples_of_strata SEC(".maps");
struct samples samples_of_libbpf SEC(".maps");

static long to_both_rings(__u32 index, void* context) {
  __u64 record[RECORD_BYTES / 8] = {index};
  bpf_ringbuf_output(&ring_of_strata, record, sizeof(record), BPF_RB_NO_WAKEUP);
  bpf_ringbuf_output(&ring_of_libbpf, record, sizeof(record), BPF_RB_NO_WAKEUP);
  return 0;
}

static long to_both_arrays(__u32 index, void** context) {
  __u64 record[RECORD_BYTES / 8] = {index};
  bpf_perf_event_output(*context, &samples_of_strata, BPF_F_CURRENT_CPU, record, sizeof(record));
  bpf_perf_event_output(*context, &samples_of_libbpf, BPF_F_CURRENT_CPU, record, sizeof(record));
  return 0;
}

SEC("raw_tp")
int fill_rings(void* context) {
  bpf_loop(RECORDS, to_both_rings, 0, 0);
  return 0;
}

SEC("raw_tp")
int fill_arrays(void* context) {
  void* passed = context;
  bpf_loop(RECORDS, to_both_arrays, &passed, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
