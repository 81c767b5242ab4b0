// Functions whose address is taken: loops, visits of maps, timers.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct visit {
  long sum;
  int steps;
};

struct timed {
  struct bpf_timer timer;
  __u64 fired;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} table SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct timed);
} timers SEC(".maps");

struct bpf_map;

long total;

static __attribute__((noinline)) long weigh(long value) { return value * 5 + total; }

static long on_step(__u32 index, void* context) {
  ((struct visit*)context)->sum += index;
  return 0;
}

static long on_weighed_step(__u32 index, void* context) {
  ((struct visit*)context)->sum += weigh(index);
  return 0;
}

static long on_element(struct bpf_map* map, const void* key, void* value, void* context) {
  ((struct visit*)context)->sum += *(__u64*)value;
  return 0;
}

static int on_timer(void* map, int* key, struct timed* value) {
  value->fired++;
  total += weigh(*key);
  return 0;
}

SEC("tc")
int loops(struct __sk_buff* skb) {
  struct visit visit = {};
  bpf_loop(skb->len & 15, on_step, &visit, 0);
  return visit.sum & 1;
}

SEC("tc")
int loops_with_a_subprogram(struct __sk_buff* skb) {
  struct visit visit = {};
  bpf_loop(4, on_weighed_step, &visit, 0);
  return (visit.sum + weigh(skb->len)) & 1;
}

SEC("tc")
int loops_inside_of_two_callbacks(struct __sk_buff* skb) {
  struct visit visit = {};
  bpf_loop(4, on_weighed_step, &visit, 0);
  bpf_loop(4, on_step, &visit, 0);
  bpf_for_each_map_elem(&table, on_element, &visit, 0);
  return visit.sum & 1;
}

SEC("tc")
int visits_a_map(struct __sk_buff* skb) {
  struct visit visit = {};
  bpf_for_each_map_elem(&table, on_element, &visit, 0);
  return visit.sum & 1;
}

SEC("tc")
int starts_a_timer(struct __sk_buff* skb) {
  __u32 key = 0;
  struct timed* timed = bpf_map_lookup_elem(&timers, &key);
  if (!timed) return 0;
  bpf_timer_init(&timed->timer, &timers, 1 /* CLOCK_MONOTONIC */);
  bpf_timer_set_callback(&timed->timer, on_timer);
  bpf_timer_start(&timed->timer, 1000000000, 0);
  bpf_timer_cancel(&timed->timer);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
