// Reads what user space writes, when told to; flags, and what the callback shall do, stand in variables.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
  __uint(max_entries, 4096);
} requests SEC(".maps");

__u64 flags;
__u64 stop_after;
__u64 drains_inside;

__u64 count;
__u64 sum;
__u64 last_size;
__u64 out_of_order;
__u64 last;
__s64 result;
__s64 result_inside;

static long ignore(struct bpf_dynptr* request, void* context) { return 0; }

static long on_request(struct bpf_dynptr* request, void* context) {
  __u64 number = 0;
  if (bpf_dynptr_read(&number, sizeof(number), request, 0, 0) == 0) {
    if (number < last) out_of_order += 1;
    sum += number;
    last = number;
  }
  count += 1;
  return count == stop_after;
}

static long on_request_drains(struct bpf_dynptr* request, void* context) {
  result_inside = bpf_user_ringbuf_drain(&requests, ignore, 0, 0);
  return 0;
}

SEC("raw_tp")
int drain(void* context) {
  result = bpf_user_ringbuf_drain(&requests, on_request, 0, flags);
  return 0;
}

SEC("raw_tp")
int drain_inside(void* context) {
  result = bpf_user_ringbuf_drain(&requests, on_request_drains, 0, flags);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
