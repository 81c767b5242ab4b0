// The other one: it has static functions and variables of the same names.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, int);
  __type(value, long);
} shared SEC(".maps");

extern int from_a;

int from_b = 2;
static int private_value = 22;

static __attribute__((noinline)) int helper(int value) {
  private_value -= value;
  return private_value;
}

__attribute__((noinline)) int defined_in_b(int value) {
  volatile int result = helper(value);
  return result;
}

__attribute__((noinline)) int overridden(int value) {
  volatile int result = value;
  return result * 2;
}

SEC("uprobe")
int program_b(void* ctx) {
  int key = 0;
  bpf_map_lookup_elem(&shared, &key);
  return helper(from_a) + overridden(1);
}

char LICENSE[] SEC("license") = "GPL";
