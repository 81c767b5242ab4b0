// Prog arrays: with slots that the object fills, holes between them, and one that stays empty.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

int first_target(struct __sk_buff* skb);
int second_target(struct __sk_buff* skb);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 8);
  __uint(key_size, 4);
  __array(values, int(struct __sk_buff*));
} filled SEC(".maps") = {
    .values =
        {
            [1] = (void*)&first_target,
            [6] = (void*)&second_target,
        },
};

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u32);
} empty SEC(".maps");

int taken;

SEC("socket")
int first_target(struct __sk_buff* skb) {
  taken = 1;
  return 1;
}

SEC("socket")
int second_target(struct __sk_buff* skb) {
  taken = 2;
  bpf_tail_call(skb, &filled, 1);
  return 2;
}

static __attribute__((noinline)) int jump_from_subprogram(struct __sk_buff* skb) {
  bpf_tail_call(skb, &filled, 6);
  return 3;
}

SEC("socket")
int jumps_to_a_constant_slot(struct __sk_buff* skb) {
  bpf_tail_call(skb, &filled, 1);
  return 4;
}

SEC("socket")
int jumps_to_a_computed_slot(struct __sk_buff* skb) {
  bpf_tail_call(skb, &filled, skb->mark);
  bpf_tail_call(skb, &empty, 0);
  return 5;
}

SEC("socket")
int jumps_from_a_subprogram(struct __sk_buff* skb) {
  return jump_from_subprogram(skb);
}

char LICENSE[] SEC("license") = "GPL";
