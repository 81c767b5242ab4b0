// One operation of a map per run: which one, and on what, is in a map; the result goes there, too.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

enum operation { PUSH, POP, PEEK, LOOKUP, UPDATE, DELETE };

struct request {
  __u32 operation;
  __u32 prefix_bits;
  __u64 flags;
  __u64 value;
  __s64 result;
  __u8 data[8];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct request);
} requests SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, 3);
  __type(value, __u64);
} queue SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK);
  __uint(max_entries, 3);
  __type(value, __u64);
} stack SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
  __uint(max_entries, 100);
  __uint(map_extra, 3);
  __type(value, __u64);
} filter SEC(".maps");

struct prefix {
  __u32 bits;
  __u8 data[4];
};

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 4);
  __type(key, struct prefix);
  __type(value, __u64);
} trie SEC(".maps");

static __always_inline struct request* the_request(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&requests, &zero);
}

static __always_inline void sequence(void* map, struct request* request) {
  __u64 value = request->value;
  switch (request->operation) {
    case PUSH:
      request->result = bpf_map_push_elem(map, &value, request->flags);
      return;
    case POP:
      request->result = bpf_map_pop_elem(map, &value);
      break;
    case PEEK:
      request->result = bpf_map_peek_elem(map, &value);
      break;
  }
  request->value = value;
}

SEC("raw_tp")
int use_queue(void* ctx) {
  struct request* request = the_request();
  if (!request) return 0;
  sequence(&queue, request);
  return 0;
}

SEC("raw_tp")
int use_stack(void* ctx) {
  struct request* request = the_request();
  if (!request) return 0;
  sequence(&stack, request);
  return 0;
}

SEC("raw_tp")
int use_filter(void* ctx) {
  struct request* request = the_request();
  if (!request) return 0;
  __u64 value = request->value;
  if (request->operation == PUSH)
    request->result = bpf_map_push_elem(&filter, &value, request->flags);
  else
    request->result = bpf_map_peek_elem(&filter, &value);
  return 0;
}

SEC("raw_tp")
int use_trie(void* ctx) {
  struct request* request = the_request();
  if (!request) return 0;
  struct prefix prefix = {.bits = request->prefix_bits};
  __u64 value = request->value;
  __u64* found;
  __builtin_memcpy(prefix.data, request->data, sizeof(prefix.data));
  switch (request->operation) {
    case LOOKUP:
      found = bpf_map_lookup_elem(&trie, &prefix);
      request->result = found ? 0 : -2;
      if (found) request->value = *found;
      break;
    case UPDATE:
      request->result = bpf_map_update_elem(&trie, &prefix, &value, request->flags);
      break;
    case DELETE:
      request->result = bpf_map_delete_elem(&trie, &prefix);
      break;
  }
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
