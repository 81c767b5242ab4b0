// One operation on a map of any kind, as `request` says; the map's type and sizes are set before it is loaded.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __uint(key_size, 4);
  __uint(value_size, 8);
} target SEC(".maps");

enum operation { LOOKUP, UPDATE, DELETE, PUSH, POP, PEEK };

struct request {
  __u32 operation;
  __u32 reserved;
  __u64 flags;
  __u64 key[4];
  __u64 value[4];
  __s64 result;
};
struct request request;

SEC("tc") int keyed(struct __sk_buff* context) {
  struct request* r = &request;
  if (r->operation == LOOKUP) {
    __u64* found = bpf_map_lookup_elem(&target, r->key);
    r->result = found != 0;
    if (found) r->value[0] = *found;
  } else if (r->operation == UPDATE) {
    r->result = bpf_map_update_elem(&target, r->key, r->value, r->flags);
  } else {
    r->result = bpf_map_delete_elem(&target, r->key);
  }
  return 0;
}

SEC("tc") int keyless(struct __sk_buff* context) {
  struct request* r = &request;
  if (r->operation == PUSH) {
    r->result = bpf_map_push_elem(&target, r->value, r->flags);
  } else if (r->operation == POP) {
    r->result = bpf_map_pop_elem(&target, r->value);
  } else {
    r->result = bpf_map_peek_elem(&target, r->value);
  }
  return 0;
}

// The operations that a verifier allows on a Bloom filter.
SEC("tc") int member(struct __sk_buff* context) {
  struct request* r = &request;
  if (r->operation == PUSH)
    r->result = bpf_map_push_elem(&target, r->value, r->flags);
  else
    r->result = bpf_map_peek_elem(&target, r->value);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
