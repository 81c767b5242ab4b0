// Changes every kind of map it has, as its context says; run by processes that are killed meanwhile.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "crash_work.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, CRASH_ENTRIES);
  __type(key, __u64);
  __type(value, struct crash_value);
} hash SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, CRASH_ENTRIES);
  __type(key, __u64);
  __type(value, struct crash_value);
} percpu_hash SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, CRASH_ENTRIES);
  __type(key, __u64);
  __type(value, struct crash_value);
} lru_hash SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, CRASH_ENTRIES);
  __type(key, struct crash_prefix);
  __type(value, struct crash_value);
} trie SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, CRASH_ENTRIES);
  __type(value, struct crash_value);
} queue SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, CRASH_RING_BYTES);
} ring SEC(".maps");

static struct crash_value value_of(__u64 key) {
  struct crash_value value = {key, ~key, key * 3, key ^ 0x5555555555555555};
  return value;
}

static long count(void) {
  __u32 zero = 0;
  __u64 *place = bpf_map_lookup_elem(&counts, &zero);
  if (!place) return -1;
  ++*place;
  return 0;
}

static long output(const struct crash_work *work) {
  struct crash_record record = {work->seq, work->producer, ~work->producer};
  return bpf_ringbuf_output(&ring, &record, sizeof(record), 0);
}

static long reserve(const struct crash_work *work, int keep) {
  struct crash_record *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
  if (!record) return -1;
  record->seq = work->seq;
  record->producer = work->producer;
  record->check = ~work->producer;
  if (keep) {
    bpf_ringbuf_submit(record, 0);
  } else {
    bpf_ringbuf_discard(record, 0);
  }
  return 0;
}

SEC("syscall")
int work(struct crash_work *work) {
  __u64 key = work->key;
  struct crash_value value = value_of(key);
  struct crash_prefix prefix = {32, key};
  switch (work->action) {
    case CRASH_UPDATE:
      return bpf_map_update_elem(&hash, &key, &value, BPF_ANY);
    case CRASH_DELETE:
      return bpf_map_delete_elem(&hash, &key);
    case CRASH_LOOKUP:
      return bpf_map_lookup_elem(&hash, &key) ? 1 : 0;
    case CRASH_PERCPU_UPDATE:
      return bpf_map_update_elem(&percpu_hash, &key, &value, BPF_ANY);
    case CRASH_PERCPU_DELETE:
      return bpf_map_delete_elem(&percpu_hash, &key);
    case CRASH_COUNT:
      return count();
    case CRASH_OUTPUT:
      return output(work);
    case CRASH_SUBMIT:
      return reserve(work, 1);
    case CRASH_LRU_UPDATE:
      return bpf_map_update_elem(&lru_hash, &key, &value, BPF_ANY);
    case CRASH_LRU_DELETE:
      return bpf_map_delete_elem(&lru_hash, &key);
    case CRASH_TRIE_UPDATE:
      return bpf_map_update_elem(&trie, &prefix, &value, BPF_ANY);
    case CRASH_TRIE_DELETE:
      return bpf_map_delete_elem(&trie, &prefix);
    case CRASH_PUSH:
      return bpf_map_push_elem(&queue, &value, 0);
    case CRASH_POP:
      return bpf_map_pop_elem(&queue, &value);
    default:
      return reserve(work, 0);
  }
}

char LICENSE[] SEC("license") = "GPL";
