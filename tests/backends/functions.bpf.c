// Functions by name (.ksyms) that both backends have. Programs write what they returned into the array `results`.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 32);
  __type(key, __u32);
  __type(value, __s64);
} results SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u8[64]);
} memory SEC(".maps");

struct bpf_iter_num {
  __u64 opaque[1];
} __attribute__((aligned(8)));

extern int bpf_iter_num_new(struct bpf_iter_num* it, int start, int end) __ksym;
extern int* bpf_iter_num_next(struct bpf_iter_num* it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num* it) __ksym;
extern int bpf_dynptr_adjust(const struct bpf_dynptr* p, __u32 start, __u32 end) __ksym;
extern _Bool bpf_dynptr_is_null(const struct bpf_dynptr* p) __ksym;
extern _Bool bpf_dynptr_is_rdonly(const struct bpf_dynptr* p) __ksym;
extern __u32 bpf_dynptr_size(const struct bpf_dynptr* p) __ksym;
extern int bpf_dynptr_clone(const struct bpf_dynptr* p, struct bpf_dynptr* clone) __ksym;
extern void* bpf_dynptr_slice(const struct bpf_dynptr* p, __u32 offset, void* buffer, __u32 size) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern int bpf_no_such_function(int number) __ksym __weak;

static __always_inline void put(__u32 at, __s64 value) { bpf_map_update_elem(&results, &at, &value, BPF_ANY); }

// Of a _Bool the kernel's calling convention leaves all but eight bits undefined, and the compiler does not know.
static __always_inline __s64 bit(__u64 value) {
  asm volatile("" : "+r"(value));
  return value & 1;
}

static __always_inline __s64 sum_of(int start, int end, int* error) {
  struct bpf_iter_num it;
  __s64 sum = 0;
  int* number;
  *error = bpf_iter_num_new(&it, start, end);
  while ((number = bpf_iter_num_next(&it))) sum += *number;
  bpf_iter_num_destroy(&it);
  return sum;
}

SEC("tc")
int iterate(void* ctx) {
  int error = 0;
  put(0, sum_of(0, 10, &error));
  put(1, error);
  put(2, sum_of(-3, 3, &error));
  put(3, error);
  put(4, sum_of(5, 5, &error));
  put(5, error);
  put(6, sum_of(6, 5, &error));
  put(7, error);
  put(8, sum_of(0, (1 << 23) + 1, &error));
  put(9, error);
  put(10, sum_of(-2147483647 - 1, -2147483647, &error));
  put(11, error);
  return 6;
}

SEC("tc")
int dynptrs(void* ctx) {
  __u32 zero = 0;
  __u8* bytes = bpf_map_lookup_elem(&memory, &zero);
  if (!bytes) return 1;
  struct bpf_dynptr ptr, clone;
  bpf_dynptr_from_mem(bytes, 64, 0, &ptr);
  put(0, bit(bpf_dynptr_is_null(&ptr)));
  put(1, bit(bpf_dynptr_is_rdonly(&ptr)));
  put(2, bpf_dynptr_size(&ptr));
  put(3, bpf_dynptr_clone(&ptr, &clone));
  put(4, bpf_dynptr_adjust(&ptr, 8, 24));
  put(5, bpf_dynptr_size(&ptr));
  put(6, bpf_dynptr_size(&clone));
  put(7, bpf_dynptr_adjust(&ptr, 4, 3));
  put(8, bpf_dynptr_adjust(&ptr, 4, 17));
  put(9, bpf_dynptr_adjust(&ptr, 17, 17));
  __u8 number = 77;
  bpf_dynptr_write(&ptr, 2, &number, 1, 0);
  put(10, bytes[10]);
  __u8 buffer[4];
  __u8* slice = bpf_dynptr_slice(&clone, 10, buffer, 4);
  put(11, slice ? slice[0] : -1);
  put(12, bpf_dynptr_slice(&clone, 61, buffer, 4) == 0);
  return 7;
}

SEC("tc")
int null_dynptrs(void* ctx) {
  __u32 zero = 0;
  __u8* bytes = bpf_map_lookup_elem(&memory, &zero);
  if (!bytes) return 1;
  struct bpf_dynptr ptr, clone;
  bpf_dynptr_from_mem(bytes, 64, 1, &ptr);
  put(0, bit(bpf_dynptr_is_null(&ptr)));
  put(1, bit(bpf_dynptr_is_rdonly(&ptr)));
  put(2, (int)bpf_dynptr_size(&ptr));
  put(3, bpf_dynptr_clone(&ptr, &clone));
  put(4, bit(bpf_dynptr_is_null(&clone)));
  put(5, bpf_dynptr_adjust(&ptr, 0, 0));
  return 8;
}

SEC("tc")
int others(void* ctx) {
  bpf_rcu_read_lock();
  put(0, 1);
  bpf_rcu_read_unlock();
  if (bpf_no_such_function) put(1, bpf_no_such_function(1));
  return 9;
}

char LICENSE[] SEC("license") = "GPL";
