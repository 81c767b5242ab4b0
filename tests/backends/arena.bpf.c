// Lists, globals and faults in an arena. Programs write what they saw into the array `results`.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define ARENA __attribute__((address_space(1)))
#define PAGE 4096

struct {
  __uint(type, 33);  // BPF_MAP_TYPE_ARENA
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 16);
} arena SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 32);
  __type(key, __u32);
  __type(value, __s64);
} results SEC(".maps");

extern void ARENA* bpf_arena_alloc_pages(void* map, void ARENA* address, __u32 pages, int node, __u64 flags) __ksym;
extern void bpf_arena_free_pages(void* map, void ARENA* address, __u32 pages) __ksym;

struct node {
  struct node ARENA* next;
  long value;
};

long ARENA step SEC(".addr_space.1") = 3;
struct node ARENA* ARENA head SEC(".addr_space.1");
unsigned ARENA words[4] SEC(".addr_space.1");
signed char ARENA bytes[4] SEC(".addr_space.1") = {-1, -2, 3, 4};

static __always_inline void put(__u32 at, __s64 value) { bpf_map_update_elem(&results, &at, &value, BPF_ANY); }

static __always_inline void ARENA* allocate(__u32 pages) {
  return bpf_arena_alloc_pages(&arena, 0, pages, -1, 0);
}

// A page of nodes, each before the one that was made before it.
SEC("syscall")
int build(void* context) {
  struct node ARENA* nodes = allocate(1);
  if (!nodes) return 1;
  struct node ARENA* last = 0;
  for (int i = 0; i < 8; ++i) {
    nodes[i].value = i * step;
    nodes[i].next = last;
    last = &nodes[i];
  }
  head = last;
  return 2;
}

static __noinline long sum_of(struct node ARENA* node) {
  long sum = 0;
  for (int i = 0; i < 100 && node; ++i, node = node->next) sum += node->value;
  return sum;
}

SEC("syscall")
int sum(void* context) { return sum_of(head); }

struct task_struct {
  int pid;
} __attribute__((preserve_access_index));

// Among accesses to a structure of the kernel, which may fault in another way: any word that was loaded may be a
// pointer to one.
SEC("syscall")
int sum_beside_task(void* context) {
  struct task_struct* task = bpf_get_current_task_btf();
  struct node ARENA* first = head;
  struct node ARENA* own = allocate(1);
  if (!own) return 1;
  volatile long ARENA* place = &own->value;
  *place = 5;
  long seen = *place + first->next->value;
  *place = seen;
  put(0, *place);
  put(1, task->pid > 0);
  bpf_arena_free_pages(&arena, own, 1);
  return sum_of(head);
}

// Pages that are not there.
SEC("syscall")
int faults(void* context) {
  char ARENA* pages = allocate(2);
  if (!pages) return 1;
  volatile long ARENA* word = (volatile long ARENA*)(pages + PAGE);
  *word = 7;
  put(0, *word);
  bpf_arena_free_pages(&arena, pages + PAGE, 1);
  put(1, *word);
  *word = 8;
  put(2, *word);
  put(3, __sync_fetch_and_add(word, 5));
  put(4, *word);
  put(5, *(long ARENA*)(pages + PAGE - 4));  // half of it is there
  long seen = *word + 6;  // load and store of one place
  *word = seen;
  put(9, seen);
  put(10, *word);
  void ARENA* again = bpf_arena_alloc_pages(&arena, pages + PAGE, 1, -1, 0);
  put(6, again == pages + PAGE);
  put(7, *word);
  put(8, bpf_arena_alloc_pages(&arena, pages + PAGE, 1, -1, 0) == 0);
  bpf_arena_free_pages(&arena, pages, 2);
  return 3;
}

// What the allocator refuses; page 0 has the globals.
SEC("syscall")
int refusals(void* context) {
  put(0, bpf_arena_alloc_pages(&arena, 0, 0, -1, 0) == 0);
  put(1, bpf_arena_alloc_pages(&arena, 0, 17, -1, 0) == 0);
  put(2, bpf_arena_alloc_pages(&arena, 0, 16, -1, 0) == 0);
  put(3, bpf_arena_alloc_pages(&arena, 0, 1, -1, 1) == 0);
  char ARENA* all = allocate(15);
  put(4, all != 0);
  put(5, allocate(1) == 0);
  bpf_arena_free_pages(&arena, all + 3 * PAGE, 2);
  put(6, allocate(3) == 0);
  put(7, allocate(2) == all + 3 * PAGE);
  put(8, bpf_arena_alloc_pages(&arena, all + 8, 1, -1, 0) == 0);
  bpf_arena_free_pages(&arena, all, 100);
  put(9, allocate(15) == all);
  bpf_arena_free_pages(&arena, all, 15);
  return 4;
}

SEC("syscall")
int accesses(void* context) {
  words[0] = 5;
  put(0, __sync_fetch_and_add(&words[0], 2));
  put(1, __sync_val_compare_and_swap(&words[0], 7, 9));
  put(2, __sync_lock_test_and_set(&words[0], 11));
#ifdef FETCHES  // which the kernel does not have for arenas
  put(7, __sync_fetch_and_or(&words[1], 6));
  put(8, __sync_fetch_and_and(&words[1], 12));
  put(9, __sync_fetch_and_xor(&words[1], 5));
#endif
  put(3, words[0]);
  put(4, words[1]);
  put(5, bytes[0] + bytes[1]);
  *(volatile signed char ARENA*)&bytes[2] = -9;
  put(6, bytes[2]);
  return 5;
}

char LICENSE[] SEC("license") = "GPL";
