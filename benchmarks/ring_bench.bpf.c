// Records of 64 bytes in a loop, and the same loop without them.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

enum { LOOPS = 4096 };

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 32 << 20);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} refused SEC(".maps");

static void count_refused(void) {
  __u32 zero = 0;
  __u64* count = bpf_map_lookup_elem(&refused, &zero);
  if (count) __sync_fetch_and_add(count, 1);
}

static long send(__u32 index, void* unused) {
  __u64 record[8] = {index};
  if (bpf_ringbuf_output(&events, record, sizeof(record), 0) != 0) count_refused();
  return 0;
}

static long send_nothing(__u32 index, void* unused) {
  volatile __u64 record[8] = {index};
  return record[1];
}

SEC("raw_tp")
int output(void* context) {
  bpf_loop(LOOPS, send, 0, 0);
  return 0;
}

SEC("raw_tp")
int nothing(void* context) {
  bpf_loop(LOOPS, send_nothing, 0, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
