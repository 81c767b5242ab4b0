// Dynamic pointers and checksums. Each program writes what the helpers returned into the array `results`.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 32);
  __type(key, __u32);
  __type(value, __s64);
} results SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u8[64]);
} memory SEC(".maps");

static __always_inline void put(__u32 at, __s64 value) { bpf_map_update_elem(&results, &at, &value, BPF_ANY); }

SEC("raw_tp")
int local_memory(void* ctx) {
  __u32 zero = 0;
  __u8* bytes = bpf_map_lookup_elem(&memory, &zero);
  if (!bytes) return 0;
  struct bpf_dynptr ptr;
  put(0, bpf_dynptr_from_mem(bytes, 64, 0, &ptr));
  __u32 word = 0x01020304;
  put(1, bpf_dynptr_write(&ptr, 8, &word, 4, 0));
  put(2, bpf_dynptr_write(&ptr, 61, &word, 4, 0));
  put(3, bpf_dynptr_write(&ptr, 0xffffffff, &word, 4, 0));
  put(4, bpf_dynptr_write(&ptr, 60, &word, 4, 1));
  put(5, bpf_dynptr_write(&ptr, 61, &word, 4, 1));
  __u32 back = 0;
  put(6, bpf_dynptr_read(&back, 4, &ptr, 8, 0));
  put(7, back);
  put(8, bpf_dynptr_read(&back, 4, &ptr, 64, 0));
  put(9, bpf_dynptr_read(&back, 4, &ptr, 64, 1));
  put(10, bpf_dynptr_read(&back, 4, &ptr, 60, 0));
  put(11, back);
  __u8* inside = bpf_dynptr_data(&ptr, 8, 4);
  if (inside) {
    put(12, inside[0]);
    inside[0] = 9;
  }
  put(13, bpf_dynptr_data(&ptr, 61, 4) == 0);
  put(14, bytes[8]);
  return 0;
}

SEC("raw_tp")
int refused_memory(void* ctx) {
  __u32 zero = 0;
  __u8* bytes = bpf_map_lookup_elem(&memory, &zero);
  if (!bytes) return 0;
  struct bpf_dynptr ptr;
  put(0, bpf_dynptr_from_mem(bytes, 64, 1, &ptr));
  __u32 word = 0;
  put(1, bpf_dynptr_write(&ptr, 0, &word, 4, 0));
  put(2, bpf_dynptr_read(&word, 4, &ptr, 0, 0));
  put(3, bpf_dynptr_data(&ptr, 0, 4) == 0);
  return 0;
}

SEC("raw_tp")
int ring_records(void* ctx) {
  struct bpf_dynptr ptr;
  __u64 first = 0x1111, second = 0x2222;
  put(0, bpf_ringbuf_reserve_dynptr(&ring, 16, 0, &ptr));
  put(1, bpf_dynptr_write(&ptr, 0, &first, 8, 0));
  put(2, bpf_dynptr_write(&ptr, 8, &second, 8, 0));
  put(3, bpf_dynptr_write(&ptr, 9, &second, 8, 0));
  bpf_ringbuf_submit_dynptr(&ptr, 0);
  put(4, bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &ptr));
  bpf_ringbuf_discard_dynptr(&ptr, 0);
  put(5, bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA));
  return 0;
}

SEC("raw_tp")
int refused_records(void* ctx) {
  struct bpf_dynptr ptr;
  __u64 word = 0;
  put(0, bpf_ringbuf_reserve_dynptr(&ring, 8192, 0, &ptr));
  put(1, bpf_dynptr_write(&ptr, 0, &word, 8, 0));
  put(2, bpf_dynptr_data(&ptr, 0, 8) == 0);
  bpf_ringbuf_submit_dynptr(&ptr, 0);
  put(3, bpf_ringbuf_reserve_dynptr(&ring, 8, 1, &ptr));
  bpf_ringbuf_discard_dynptr(&ptr, 0);
  put(4, bpf_ringbuf_reserve_dynptr(&ring, 1 << 24, 0, &ptr));
  bpf_ringbuf_discard_dynptr(&ptr, 0);
  put(5, bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA));
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
