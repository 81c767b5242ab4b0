// Globals in an arena: memory that programs and the loading process see at addresses of their own.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define ARENA __attribute__((address_space(1)))

struct {
  __uint(type, 33);  // BPF_MAP_TYPE_ARENA
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 16);
#ifdef ADDRESS
  enum { kAddress = ADDRESS } map_extra;
#endif
} arena SEC(".maps");

long ARENA counter SEC(".addr_space.1") = 40;
long ARENA step SEC(".addr_space.1") = 2;

SEC("syscall")
int advances(void* ctx) {
  counter += step;
  return counter;
}

char LICENSE[] SEC("license") = "GPL";
