// The programs whose cost per event is measured.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __u64);
  __type(value, __u64);
} updated SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 20);
} ring SEC(".maps");

SEC("uprobe")
int empty(struct pt_regs* ctx) { return 0; }

SEC("uretprobe")
int empty_return(struct pt_regs* ctx) { return 0; }

SEC("uprobe")
int per_cpu_count(struct pt_regs* ctx) {
  __u32 zero = 0;
  __u64* count = bpf_map_lookup_elem(&counts, &zero);
  if (count) *count += 1;
  return 0;
}

SEC("uprobe")
int hash_update(struct pt_regs* ctx) {
  __u64 key = 42;
  __u64 value = 1;
  bpf_map_update_elem(&updated, &key, &value, BPF_ANY);
  return 0;
}

SEC("uprobe")
int ring_output(struct pt_regs* ctx) {
  __u64 record[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  bpf_ringbuf_output(&ring, record, sizeof(record), 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
