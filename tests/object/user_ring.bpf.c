// Reads what user space writes, when told to.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
  __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
  __uint(max_entries, 4096);
} requests SEC(".maps");

__u64 count;
__u64 sum;
__u64 last;
__u64 out_of_order;

static long on_request(struct bpf_dynptr* request, void* context) {
  __u64 number = 0;
  if (bpf_dynptr_read(&number, sizeof(number), request, 0, 0)) return 0;
  if (number < last) out_of_order += 1;
  count += 1;
  sum += number;
  last = number;
  return 0;
}

SEC("uprobe")
int drain(struct pt_regs* ctx) {
  bpf_user_ringbuf_drain(&requests, on_request, 0, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
