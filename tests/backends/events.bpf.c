// A numbered record per call, to one of two rings: even numbers to the first. Numbers that 7 divides with a remainder
// of 6 are given up.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} evens SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} odds SEC(".maps");

SEC("uprobe")
int send(struct pt_regs* ctx) {
  __u64 number = PT_REGS_PARM1(ctx);
  __u64* record =
      number & 1 ? bpf_ringbuf_reserve(&odds, sizeof(*record), 0) : bpf_ringbuf_reserve(&evens, sizeof(*record), 0);
  if (!record) return 0;
  *record = number;
  if (number % 7 == 6) {
    bpf_ringbuf_discard(record, 0);
  } else {
    bpf_ringbuf_submit(record, 0);
  }
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
