// 100 programs with maps, variables, constants and a subprogram, for loading alone.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 65536);
} events SEC(".maps");

const volatile __u32 target_pid = 0;
__u64 total;

static __attribute__((noinline)) __u64 weigh(__u64 value) {
  for (int i = 0; i < 4; ++i) value = value * 31 + (value >> 7);
  return value;
}

#define PROGRAM(n)                                       \
  SEC("raw_tp") int program_##n(void* context) {         \
    __u32 pid = bpf_get_current_pid_tgid() >> 32;        \
    if (target_pid && pid != target_pid) return 0;       \
    __u32 key = pid + 0x##n;                             \
    __u64* count = bpf_map_lookup_elem(&counts, &key);   \
    if (count) {                                         \
      __sync_fetch_and_add(count, 1);                    \
      total += weigh(*count);                            \
    } else {                                             \
      __u64 one = 1;                                     \
      bpf_map_update_elem(&counts, &key, &one, BPF_ANY); \
    }                                                    \
    __u64* record = bpf_ringbuf_reserve(&events, 16, 0); \
    if (!record) return 0;                               \
    record[0] = weigh(bpf_ktime_get_ns());               \
    record[1] = key;                                     \
    bpf_ringbuf_submit(record, 0);                       \
    return 0;                                            \
  }
#define TEN(n)  \
  PROGRAM(n##0) \
  PROGRAM(n##1) \
  PROGRAM(n##2) PROGRAM(n##3) PROGRAM(n##4) PROGRAM(n##5) PROGRAM(n##6) PROGRAM(n##7) PROGRAM(n##8) PROGRAM(n##9)

TEN(1)
TEN(2)
TEN(3) TEN(4) TEN(5) TEN(6) TEN(7) TEN(8) TEN(9) TEN(10)

    char LICENSE[] SEC("license") = "GPL";
