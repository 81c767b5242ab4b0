// Code of every form: branches near and far, swaps, shifts, wide constants, unrolled loops.
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int branches(struct __sk_buff* skb) {
  if (skb->len > 1000 && skb->mark < 5) return 1;
  if ((int)skb->priority < -3 || skb->hash & 0x80) return 2;
  return (__s64)skb->len - 2000 < 0 ? 3 : 4;
}

SEC("socket")
int swaps_bytes(struct __sk_buff* skb) {
  return bpf_htons(skb->len) + bpf_htonl(skb->mark) + (bpf_be64_to_cpu((__u64)skb->hash << 20) >> 33);
}

SEC("socket")
int divides(struct __sk_buff* skb) {
  return skb->len / 7 + skb->mark % 13 + (skb->hash >> (skb->len & 15));
}

SEC("socket")
int multiplies_wide_numbers(struct __sk_buff* skb) {
  __u64 a = skb->hash * 0x9e3779b97f4a7c15ULL;
  return (a >> 32) ^ (a << 3);
}

SEC("socket")
int unrolls(struct __sk_buff* skb) {
  int sum = 0;
#pragma unroll
  for (int i = 0; i < 16; ++i) sum += (skb->len >> i) ^ (skb->mark << i);
  return sum;
}

SEC("socket")
int loops(struct __sk_buff* skb) {
  int sum = 0;
  for (__u32 i = 0; i < 100; ++i) {
    if (i > skb->len) break;
    sum = sum * 3 + i;
  }
  return sum;
}

SEC("socket")
int extends_signs(struct __sk_buff* skb) {
  return (__s8)skb->len + (__s16)skb->mark + (__s32)skb->hash;
}

SEC("socket")
int uses_the_stack(struct __sk_buff* skb) {
  volatile __u64 slots[20];
  for (int i = 0; i < 20; ++i) slots[i] = skb->len + i;
  return slots[7] ^ slots[19];
}

SEC("?socket")
int is_not_loaded(struct __sk_buff* skb) {
  return 77;
}

char LICENSE[] SEC("license") = "GPL";
