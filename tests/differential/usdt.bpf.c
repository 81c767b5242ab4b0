// Has what a loader needs to attach to any USDT probe.
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

long last;

SEC("usdt")
int BPF_USDT(keep_first, long first) {
  last = first;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
