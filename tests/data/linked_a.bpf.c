// One of two files that a static linker makes one object of.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, int);
  __type(value, long);
} shared SEC(".maps");

extern int from_b;
extern int defined_in_b(int value);

int from_a = 1;
static int private_value = 11;

__weak __attribute__((noinline)) int overridden(int value) {
  volatile int result = value;
  return result + private_value;
}

static __attribute__((noinline)) int helper(int value) {
  private_value += value;
  return private_value;
}

SEC("uprobe")
int program_a(void* ctx) {
  int key = 0;
  bpf_map_lookup_elem(&shared, &key);
  return helper(from_b) + defined_in_b(2) + overridden(3);
}

char LICENSE[] SEC("license") = "GPL";
