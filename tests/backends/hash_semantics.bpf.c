// What programs do to hashes and arrays.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u64);
} recent SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 300);
  __type(key, __u32);
  __type(value, __u64);
} walked SEC(".maps");

struct locked {
  struct bpf_spin_lock lock;
  __u32 reserved;
  __u64 first;
  __u64 second;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, struct locked);
} locked_hash SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, struct locked);
} locked_array SEC(".maps");

SEC("tc") int look_up_16(struct __sk_buff* context) {
  int found = 0;
  for (__u32 i = 0; i < 16; ++i) {
    __u32 key = i;
    found += bpf_map_lookup_elem(&recent, &key) != 0;
  }
  return found;
}

static long delete_it(void* map, __u32* key, __u64* value, void* state) {
  __u32 copy = *key;
  *(int*)state += bpf_map_delete_elem(&walked, &copy) == 0;
  return 0;
}

SEC("tc") int delete_each(struct __sk_buff* context) {
  int deleted = 0;
  bpf_for_each_map_elem(&walked, delete_it, &deleted, 0);
  return deleted;
}

SEC("tc") int count_under_lock(struct __sk_buff* context) {
  for (__u32 i = 0; i < 100; ++i) {
    __u32 key = 1;
    struct locked* value = bpf_map_lookup_elem(&locked_array, &key);
    if (!value) return 0;
    bpf_spin_lock(&value->lock);
    value->first += 1;
    value->second += 1;
    bpf_spin_unlock(&value->lock);
  }
  return 100;
}

// Only where nothing verifies it: it never ends.
SEC("?tc") int loop_under_lock(struct __sk_buff* context) {
  __u32 key = 1;
  struct locked* value = bpf_map_lookup_elem(&locked_array, &key);
  if (!value) return 1;
  bpf_spin_lock(&value->lock);
  for (;;) {
    value->first += 1;
    asm volatile("" ::: "memory");
  }
}

// The lock's bytes of an element belong to nobody but the lock.
SEC("tc") int update_locked_hash(struct __sk_buff* context) {
  __u32 key = 2;
  struct locked value = {.first = 7, .second = 8};
  if (bpf_map_update_elem(&locked_hash, &key, &value, BPF_NOEXIST)) return 1;
  value.first = 9;
  if (bpf_map_update_elem(&locked_hash, &key, &value, BPF_F_LOCK | BPF_EXIST)) return 2;
  if (bpf_map_update_elem(&locked_hash, &key, &value, BPF_F_LOCK | BPF_NOEXIST) != -17) return 3;
  if (bpf_map_update_elem(&walked, &key, &value, BPF_F_LOCK) != -22) return 4;
  struct locked* found = bpf_map_lookup_elem(&locked_hash, &key);
  return found && found->first == 9 && found->second == 8 ? 0 : 5;
}

char LICENSE[] SEC("license") = "GPL";
