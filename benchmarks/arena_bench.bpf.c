// Words of an arena, each loaded, changed and stored again; and a list in it.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define ARENA __attribute__((address_space(1)))
enum { CALLS = 1000, WORDS = 256 };

struct {
  __uint(type, 33);  // BPF_MAP_TYPE_ARENA
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 16);
} arena SEC(".maps");

extern void ARENA* bpf_arena_alloc_pages(void* map, void ARENA* address, __u32 pages, int node, __u64 flags) __ksym;
extern void bpf_arena_free_pages(void* map, void ARENA* address, __u32 pages) __ksym;

__u64 elapsed_ns;  // of all operations and of the loop around them
__u64 done;

SEC("syscall")
int arena_words(void* ctx) {
  volatile __u64 ARENA* words = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
  if (!words) return 1;
  __u64 start = bpf_ktime_get_ns();
  for (int i = 0; i < CALLS; ++i) words[i % WORDS] += 1;
  elapsed_ns = bpf_ktime_get_ns() - start;
  __u64 sum = 0;
  for (int i = 0; i < WORDS; ++i) sum += words[i];
  done = sum;
  bpf_arena_free_pages(&arena, (void ARENA*)words, 1);
  return 0;
}

struct node {
  struct node ARENA* next;
  __u64 value;
};

// The nodes lie in the page as a generator of period 256 leaves them.
SEC("syscall")
int arena_list(void* ctx) {
  struct node ARENA* nodes = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
  if (!nodes) return 1;
  for (__u32 i = 0; i < WORDS; ++i) {
    nodes[i % WORDS].next = &nodes[(i * 77 + 33) % WORDS];
    nodes[i % WORDS].value = 1;
  }
  __u64 sum = 0;
  struct node ARENA* node = nodes;
  __u64 start = bpf_ktime_get_ns();
  for (int i = 0; i < CALLS; ++i) {
    sum += node->value;
    node = node->next;
  }
  elapsed_ns = bpf_ktime_get_ns() - start;
  done = sum;
  bpf_arena_free_pages(&arena, (void ARENA*)nodes, 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
