// Sums of what USDT probes hand over.
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

enum { CALLS, FIRST, SECOND, COOKIE, COUNT, SLOTS = 16 };

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, SLOTS);
  __type(key, __u32);
  __type(value, __s64);
} seen SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 12);
  __type(key, __u32);
  __type(value, __s64);
} arguments SEC(".maps");

char text[16];

static __always_inline void add(__u32 slot, __s64 amount) {
  __s64* sum = bpf_map_lookup_elem(&seen, &slot);
  if (sum) __sync_fetch_and_add(sum, amount);
}

static __always_inline void keep(__u32 index, __s64 value) {
  bpf_map_update_elem(&arguments, &index, &value, BPF_ANY);
}

SEC("usdt")
int BPF_USDT(on_two, int first, long second) {
  add(CALLS, 1);
  add(FIRST, first);
  add(SECOND, second);
  add(COOKIE, bpf_usdt_cookie(ctx));
  add(COUNT, bpf_usdt_arg_cnt(ctx));
  return 0;
}

SEC("usdt")
int BPF_USDT(on_one, long first) {
  add(CALLS, 1);
  add(FIRST, first);
  return 0;
}

SEC("usdt")
int BPF_USDT(on_many, __s64 a, __s64 b, __s64 c, __s64 d, __s64 e, __s64 f, __s64 g, __s64 h, __s64 i, __s64 j,
             __s64 k, __s64 l) {
  keep(0, a);
  keep(1, b);
  keep(2, c);
  keep(3, d);
  keep(4, e);
  keep(5, f);
  keep(6, g);
  keep(7, h);
  keep(8, i);
  keep(9, j);
  keep(10, k);
  keep(11, l);
  return 0;
}

SEC("usdt.s")
int BPF_USDT(on_text, const char* address) {
  bpf_copy_from_user(text, sizeof(text), address);
  add(CALLS, 1);
  return 0;
}

SEC("usdt/" LIBRARY ":strata_test:library")
int BPF_USDT(on_library, long number, int five) {
  add(CALLS, 1);
  add(FIRST, number);
  add(SECOND, five);
  return 0;
}

SEC("usdt//no:such/file:strata_test:library")
int BPF_USDT(in_no_file) { return 0; }

SEC("usdt/file:only_two")
int BPF_USDT(without_provider) { return 0; }

char LICENSE[] SEC("license") = "GPL";
