// Functions of every linkage, in and outside of .text; calls and addresses of functions; recursion.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define __noinline __attribute__((noinline))

int counter;

static __noinline int plain(int value) {
  counter += value;
  return counter;
}

__weak __noinline int weak_one(int value) { return plain(value) + 1; }

__hidden __weak __noinline int hidden_weak(int value) { return plain(value) + 2; }

int same_as_weak(int value) __attribute__((alias("weak_one")));

int odd(int value);
__noinline int even(int value) { return value == 0 ? plain(1) : odd(value - 1); }
__noinline int odd(int value) { return value == 0 ? plain(2) : even(value - 1); }

static long on_loop(__u32 index, void* ctx) {
  counter += plain(index);
  return 0;
}

// A static function beside its caller.
static __attribute__((noinline, section("xdp"))) int beside(int value) { return plain(value) - 1; }

SEC("xdp")
int calls_all(struct xdp_md* ctx) {
  return weak_one(1) + hidden_weak(2) + beside(3) + same_as_weak(4);
}

SEC("xdp")
int passes_callback(struct xdp_md* ctx) {
  return bpf_loop(3, on_loop, 0, 0);
}

SEC("tc")
int recurses(struct __sk_buff* ctx) {
  return even(ctx->len);
}

char LICENSE[] SEC("license") = "GPL";
