// Sends records with flags of the caller's, and asks about the ring.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

__u64 flags;
__u64 record[2];
__s64 result;

SEC("raw_tp")
int output(void* context) {
  result = bpf_ringbuf_output(&ring, record, sizeof(record), flags);
  return 0;
}

SEC("raw_tp")
int submit(void* context) {
  __u64* room = bpf_ringbuf_reserve(&ring, sizeof(record), 0);
  result = room != 0;
  if (room) bpf_ringbuf_submit(room, flags);
  return 0;
}

SEC("raw_tp")
int discard(void* context) {
  __u64* room = bpf_ringbuf_reserve(&ring, sizeof(record), 0);
  result = room != 0;
  if (room) bpf_ringbuf_discard(room, flags);
  return 0;
}

SEC("raw_tp")
int reserve_with_flags(void* context) {
  __u64* room = bpf_ringbuf_reserve(&ring, sizeof(record), 1);
  result = room != 0;
  if (room) bpf_ringbuf_discard(room, 0);
  return 0;
}

SEC("raw_tp")
int query(void* context) {
  result = bpf_ringbuf_query(&ring, flags);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
