// Subprograms in every order of definition and call: the order in which a loader appends them decides the tag.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

long sum;

static __attribute__((noinline)) long last(long a) {
  sum += a;
  return a ^ 0x55;
}

static __attribute__((noinline)) long middle(long a) { return last(a + 1) * 3; }
static __attribute__((noinline)) long first(long a) { return middle(a) + last(a); }

__attribute__((noinline)) int shared(int a) {
  sum -= a;
  return a + 7;
}

__attribute__((noinline)) int global_over_static(int a) { return (int)middle(a) + shared(a); }
__attribute__((noinline)) __weak int weak_one(int a) {
  sum *= 3;
  return a - 1;
}

SEC("socket")
int calls_one(struct __sk_buff* skb) {
  return last(skb->len);
}

SEC("socket")
int calls_in_order_of_definition(struct __sk_buff* skb) {
  return last(skb->len) + middle(skb->mark) + first(skb->priority);
}

SEC("socket")
int calls_against_the_order(struct __sk_buff* skb) {
  return first(skb->len) + middle(skb->mark) + last(skb->priority);
}

SEC("socket")
int calls_a_global_one(struct __sk_buff* skb) {
  return global_over_static(skb->len);
}

SEC("socket")
int calls_shared_twice(struct __sk_buff* skb) {
  return shared(skb->len) + weak_one(skb->mark) + shared(skb->mark);
}

SEC("socket")
int calls_everything(struct __sk_buff* skb) {
  return weak_one(skb->mark) + global_over_static(skb->len) + first(skb->len) + shared(2);
}

SEC("tc")
int calls_from_another_section(struct __sk_buff* skb) {
  return shared(skb->len) + (int)first(skb->mark);
}

SEC("xdp")
int calls_in_a_branch(struct xdp_md* ctx) {
  if (ctx->ingress_ifindex == 1) return (int)first(ctx->rx_queue_index) & 1;
  return shared(ctx->rx_queue_index) & 1;
}

SEC("xdp")
int calls_nothing(struct xdp_md* ctx) {
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
