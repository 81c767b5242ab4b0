// Tail calls between programs of one object. Built once per group of programs that a verifier must accept together.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define noinline __attribute__((noinline))

// A result that no compiler foresees.
static __always_inline int opaque(int value) {
  asm volatile("" : "+r"(value));
  return value;
}

enum { STEPS, BACK, SUM, COUNTERS };

// The arguments of a raw tracepoint, as far as test runs give them.
struct context {
  __u64 index;   // where the first program tail-calls
  __u64 rounds;  // of loops
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, COUNTERS);
  __type(key, __u32);
  __type(value, __u64);
} counters SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} per_cpu SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, __u32);
} targets SEC(".maps");

static __always_inline void count(__u32 slot, __u64 amount) {
  __u64* counter = bpf_map_lookup_elem(&counters, &slot);
  if (counter) __sync_fetch_and_add(counter, amount);
}

// 1 when nothing was called.
SEC("raw_tp")
int call_index(struct context* ctx) {
  bpf_tail_call(ctx, &targets, ctx->index);
  return 1;
}

SEC("raw_tp")
int call_constant(struct context* ctx) {
  count(STEPS, 1);
  bpf_tail_call(ctx, &targets, 2);
  return 1;
}

SEC("raw_tp")
int call_past_end(struct context* ctx) {
  bpf_tail_call(ctx, &targets, 8);
  return 1;
}

SEC("raw_tp")
int return_seven(struct context* ctx) {
  count(SUM, ctx->index);
  return 7;
}

// Calls itself until the kernel's limit.
SEC("raw_tp")
int repeat(struct context* ctx) {
  count(STEPS, 1);
  bpf_tail_call(ctx, &targets, 3);
  return 33;
}

SEC("raw_tp")
int count_per_cpu(struct context* ctx) {
  __u32 zero = 0;
  __u64* value = bpf_map_lookup_elem(&per_cpu, &zero);
  if (value) *value += 1;
  return 4;
}

static noinline int call_from_function(struct context* ctx) {
  volatile __u64 kept[4] = {1, 2, 3, 4};
  count(STEPS, kept[ctx->rounds & 3]);
  bpf_tail_call(ctx, &targets, ctx->index);
  return opaque(100);
}

// What the called program returns, the function returns.
SEC("raw_tp")
int call_in_function(struct context* ctx) {
  volatile __u64 kept = ctx->rounds;
  int result = call_from_function(ctx);
  count(BACK, 1);
  return result * 10 + (int)(kept == ctx->rounds);
}

static noinline int two_deep(struct context* ctx) { return call_from_function(ctx) + 1000; }

// Two calls in a row, in functions below functions: the limit counts both branches.
SEC("raw_tp")
int call_twice(struct context* ctx) {
  int first = two_deep(ctx);
  int second = two_deep(ctx);
  count(BACK, 1);
  return first + second;
}

// A tree of calls: each level calls itself from two functions.
static noinline int branch(struct context* ctx) {
  bpf_tail_call(ctx, &targets, 5);
  return opaque(1);
}
SEC("raw_tp")
int grow(struct context* ctx) {
  count(STEPS, 1);
  branch(ctx);
  branch(ctx);
  return 0;
}

static long add_index(__u64 index, void* state) {
  *(__u64*)state += index;
  return 0;
}

// Has callbacks itself: helpers call those of the program that runs.
SEC("raw_tp")
int loop(struct context* ctx) {
  __u64 sum = 0;
  bpf_loop(ctx->rounds, add_index, &sum, 0);
  count(SUM, sum);
  return 6;
}

static long add_twice(__u64 index, void* state) {
  *(__u64*)state += 2 * index;
  return 0;
}

SEC("raw_tp")
int loop_around(struct context* ctx) {
  __u64 before = 0, after = 0;
  bpf_loop(ctx->rounds, add_twice, &before, 0);
  int result = call_from_function(ctx);
  bpf_loop(ctx->rounds, add_twice, &after, 0);
  count(BACK, after);
  return before == after ? result : -1;
}

SEC("kprobe")
int other_type(void* ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
