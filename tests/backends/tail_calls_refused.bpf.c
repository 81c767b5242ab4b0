// Programs with tail calls that are refused at load, each by itself.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define noinline __attribute__((noinline))

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, __u32);
} targets SEC(".maps");

static noinline int call_from_function(void* ctx) {
  bpf_tail_call(ctx, &targets, 0);
  return 0;
}

// Its frame takes 256 bytes.
SEC("?raw_tp")
int deep_stack(void* ctx) {
  volatile char frame[256];
  for (int i = 0; i < 256; ++i) frame[i] = i;
  call_from_function(ctx);
  return frame[17];
}

SEC("?raw_tp")
int shallow_stack(void* ctx) {
  volatile char frame[240];
  for (int i = 0; i < 240; ++i) frame[i] = i;
  call_from_function(ctx);
  return frame[17];
}

struct state {
  void* ctx;
};
static long call_in_callback(__u64 index, struct state* state) {
  bpf_tail_call(state->ctx, &targets, 0);
  return 0;
}

SEC("?raw_tp")
int from_callback(void* ctx) {
  struct state state = {ctx};
  bpf_loop(3, call_in_callback, &state, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
