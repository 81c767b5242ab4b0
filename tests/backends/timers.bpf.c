// Timers in values. Programs write what helpers returned into the array `results`.
#include <linux/bpf.h>
#include <linux/time.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 32);
  __type(key, __u32);
  __type(value, __s64);
} results SEC(".maps");

struct element {
  __u64 fired;
  struct bpf_timer timer;
  __u64 key;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct element);
} timers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, struct element);
} keyed SEC(".maps");

enum { MILLISECOND = 1000000, HOUR_S = 3600 };

static __always_inline void put(__u32 at, __s64 value) { bpf_map_update_elem(&results, &at, &value, BPF_ANY); }

static int count(void* map, __u32* key, struct element* value) {
  value->key = *key;
  __sync_fetch_and_add(&value->fired, 1);
  return 0;
}

static int repeat(void* map, __u32* key, struct element* value) {
  put(10, bpf_timer_cancel(&value->timer));
  if (__sync_fetch_and_add(&value->fired, 1) < 2) bpf_timer_start(&value->timer, MILLISECOND, 0);
  return 0;
}

static int remove(void* map, __u32* key, struct element* value) {
  put(11, bpf_map_delete_elem(&keyed, key));
  return 0;
}

SEC("tc")
int fire(void* ctx) {
  __u32 key = 2;
  struct element* e = bpf_map_lookup_elem(&timers, &key);
  if (!e) return 1;
  put(0, bpf_timer_init(&e->timer, &timers, CLOCK_MONOTONIC));
  put(1, bpf_timer_set_callback(&e->timer, count));
  put(2, bpf_timer_start(&e->timer, MILLISECOND, 0));
  return 0;
}

SEC("tc")
int fire_absolute(void* ctx) {
  __u32 key = 1;
  struct element* e = bpf_map_lookup_elem(&timers, &key);
  if (!e) return 1;
  put(0, bpf_timer_init(&e->timer, &timers, CLOCK_BOOTTIME));
  put(1, bpf_timer_set_callback(&e->timer, count));
  put(2, bpf_timer_start(&e->timer, bpf_ktime_get_boot_ns() + MILLISECOND, 1));
  return 0;
}

SEC("tc")
int fire_repeatedly(void* ctx) {
  __u32 key = 3;
  struct element* e = bpf_map_lookup_elem(&timers, &key);
  if (!e) return 1;
  bpf_timer_init(&e->timer, &timers, CLOCK_REALTIME);
  bpf_timer_set_callback(&e->timer, repeat);
  put(0, bpf_timer_start(&e->timer, MILLISECOND, 0));
  return 0;
}

SEC("tc")
int refusals(void* ctx) {
  __u32 key = 0;
  struct element* e = bpf_map_lookup_elem(&timers, &key);
  if (!e) return 1;
  put(0, bpf_timer_cancel(&e->timer));
  put(1, bpf_timer_set_callback(&e->timer, count));
  put(2, bpf_timer_start(&e->timer, MILLISECOND, 0));
  put(3, bpf_timer_init(&e->timer, &timers, CLOCK_PROCESS_CPUTIME_ID));
  put(4, bpf_timer_init(&e->timer, &timers, 16));
  put(5, bpf_timer_init(&e->timer, &timers, CLOCK_MONOTONIC));
  put(6, bpf_timer_init(&e->timer, &timers, CLOCK_MONOTONIC));
  put(7, bpf_timer_start(&e->timer, MILLISECOND, 0));
  put(8, bpf_timer_set_callback(&e->timer, count));
  put(9, bpf_timer_start(&e->timer, MILLISECOND, 4));
  put(10, bpf_timer_cancel(&e->timer));
  put(11, bpf_timer_start(&e->timer, MILLISECOND, 0));
  put(12, bpf_timer_set_callback(&e->timer, count));
  put(13, bpf_timer_start(&e->timer, HOUR_S * 1000ULL * MILLISECOND, 0));
  put(14, bpf_timer_cancel(&e->timer));
  return 0;
}

// Starts one in each of eight elements of the hash; those of odd keys delete their own.
SEC("tc")
int fire_keyed(void* ctx) {
  for (__u32 i = 0; i < 8; ++i) {
    __u32 key = i;
    struct element empty = {};
    bpf_map_update_elem(&keyed, &key, &empty, BPF_ANY);
    struct element* e = bpf_map_lookup_elem(&keyed, &key);
    if (!e) return 1;
    put(i, bpf_timer_init(&e->timer, &keyed, CLOCK_MONOTONIC));
    if (i & 1) {
      bpf_timer_set_callback(&e->timer, remove);
    } else {
      bpf_timer_set_callback(&e->timer, count);
    }
    bpf_timer_start(&e->timer, MILLISECOND, 0);
  }
  return 0;
}

// One that is due in 20 ms in element 5 of the hash and 1 of the array.
SEC("tc")
int fire_later(void* ctx) {
  __u32 key = 5;
  struct element empty = {};
  bpf_map_update_elem(&keyed, &key, &empty, BPF_ANY);
  struct element* e = bpf_map_lookup_elem(&keyed, &key);
  if (!e) return 1;
  put(0, bpf_timer_init(&e->timer, &keyed, CLOCK_MONOTONIC));
  bpf_timer_set_callback(&e->timer, count);
  bpf_timer_start(&e->timer, 20 * MILLISECOND, 0);
  key = 1;
  e = bpf_map_lookup_elem(&timers, &key);
  if (!e) return 1;
  put(1, bpf_timer_init(&e->timer, &timers, CLOCK_MONOTONIC));
  bpf_timer_set_callback(&e->timer, count);
  bpf_timer_start(&e->timer, 20 * MILLISECOND, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
