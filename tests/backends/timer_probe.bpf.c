// A timer that a probe starts: in the kernel, programs that trace may not.
#include <linux/bpf.h>
#include <linux/time.h>

#include <bpf/bpf_helpers.h>

struct element {
  __u64 fired;
  struct bpf_timer timer;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct element);
} timers SEC(".maps");

static int count(void* map, __u32* key, struct element* value) {
  __sync_fetch_and_add(&value->fired, *key);
  return 0;
}

SEC("uprobe")
int start(void* ctx) {
  __u32 key = 21;
  struct element empty = {};
  bpf_map_update_elem(&timers, &key, &empty, BPF_NOEXIST);
  struct element* e = bpf_map_lookup_elem(&timers, &key);
  if (!e) return 0;
  bpf_timer_init(&e->timer, &timers, CLOCK_MONOTONIC);
  bpf_timer_set_callback(&e->timer, count);
  bpf_timer_start(&e->timer, 1000000, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
