// Programs that tests look at, pin and run without an event.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} runs SEC(".maps");

static __always_inline void Count(__u32 key) {
  __u64* count = bpf_map_lookup_elem(&runs, &key);
  if (count) __sync_fetch_and_add(count, 1);
}

static __attribute__((noinline)) __u32 LengthOf(struct __sk_buff* skb) { return skb->len; }

SEC("socket")
int returns_the_length_of_the_packet(struct __sk_buff* skb) {
  Count(0);
  return LengthOf(skb);
}

SEC("tc")
int marks_and_writes(struct __sk_buff* skb) {
  __u8 first = 0x42;
  bpf_skb_store_bytes(skb, 0, &first, 1, 0);
  skb->mark = skb->mark + 1;
  return 3;
}

SEC("xdp")
int makes_packets_longer(struct xdp_md* ctx) {
  Count(1);
  return bpf_xdp_adjust_head(ctx, -16) ? XDP_ABORTED : XDP_TX;
}

SEC("xdp")
int counts_runs(struct xdp_md* ctx) {
  Count(2);
  return XDP_PASS;
}

struct numbers {
  __u64 a;
  __u64 b;
  __u64 sum;
};

SEC("syscall")
int adds(struct numbers* numbers) {
  numbers->sum = numbers->a + numbers->b;
  return 11;
}

SEC("raw_tp/task_rename")
int returns_its_cpu(struct bpf_raw_tracepoint_args* arguments) {
  Count(3);
  return bpf_get_smp_processor_id() + 100 * (arguments->args[0] == 7);
}

SEC("kprobe")
int cannot_be_run(void* ctx) {
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
