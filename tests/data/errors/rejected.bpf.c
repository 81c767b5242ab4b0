// Programs that the kernel's verifier refuses, each for one reason.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

SEC("?socket")
int null_is_not_checked(struct __sk_buff* skb) {
  __u32 key = skb->len;
  __u64* count = bpf_map_lookup_elem(&counts, &key);
  return *count;
}

SEC("?socket")
int number_as_pointer(struct __sk_buff* skb) {
  __u64* address = (__u64*)(unsigned long)skb->len;
  return *address;
}

SEC("?socket")
int record_is_kept(struct __sk_buff* skb) {
  __u64* record = bpf_ringbuf_reserve(&ring, 8, 0);
  if (record) *record = 1;
  return 0;
}

SEC("?socket")
int index_without_bounds(struct __sk_buff* skb) {
  __u32 key = 0;
  char* value = bpf_map_lookup_elem(&counts, &key);
  if (!value) return 0;
  return value[skb->mark];
}

SEC("?socket")
int packet_without_bounds(struct __sk_buff* skb) {
  char buffer[8] = {};
  bpf_skb_load_bytes(skb, 0, buffer, skb->mark);
  return buffer[0];
}

SEC("?socket")
int endless(struct __sk_buff* skb) {
  volatile __u32 more = 1;
  while (more) more = 1;
  return 0;
}

SEC("?xdp")
int packet_end_is_not_checked(struct xdp_md* ctx) {
  return *(char*)(unsigned long)ctx->data;
}

SEC("?socket")
int helper_of_another_type(struct __sk_buff* skb) {
  return bpf_xdp_adjust_head((struct xdp_md*)skb, 0);
}

SEC("?socket")
int helper_of_the_future(struct __sk_buff* skb) {
  static long (*of_the_future)(void) = (void*)4000;
  return of_the_future();
}

SEC("?socket")
void returns_nothing(struct __sk_buff* skb) {}

SEC("?socket")
int deep_stack(struct __sk_buff* skb) {
  asm volatile("*(u64 *)(r10 - 520) = %0" ::"r"((__u64)1));
  return 0;
}

SEC("?xdp")
int writes_where_it_must_not(struct xdp_md* ctx) {
  asm volatile("*(u32 *)(%0 + 0) = %1" ::"r"(ctx), "r"(1));
  return 0;
}

SEC("?socket")
int reads_what_was_not_written(struct __sk_buff* skb) {
  int value;
  asm volatile("%0 = r7" : "=r"(value));
  return value;
}

static __attribute__((noinline)) int big(struct __sk_buff* skb) {
  char room[300];
  bpf_skb_load_bytes(skb, 0, room, sizeof(room));
  return room[skb->len & 63];
}

SEC("?socket")
int two_deep_stacks(struct __sk_buff* skb) {
  char room[300];
  bpf_skb_load_bytes(skb, 0, room, sizeof(room));
  return big(skb) + room[skb->len & 63];
}

char LICENSE[] SEC("license") = "GPL";
