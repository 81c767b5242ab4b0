// Global variables that live in an arena.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define __arena __attribute__((address_space(1)))

#define __ulong(name, number) enum { value_of_##name = number } name

struct {
  __uint(type, 33);  // BPF_MAP_TYPE_ARENA
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 10);
  __ulong(map_extra, 0x100000000000);
} arena SEC(".maps");

int __arena first = 5;
long __arena second[4] = {0, 7};

SEC("syscall")
int uses_arena(void* ctx) {
  first += second[1];
  return (long)&arena >> 4;
}

char LICENSE[] SEC("license") = "GPL";
