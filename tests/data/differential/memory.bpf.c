// Locks, dynamic pointers, ring buffers: what the verifier needs types and flags for.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct guarded {
  struct bpf_spin_lock lock;
  __u64 count;
  __u64 bytes;
};

struct event {
  __u32 size;
  __u8 data[28];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, struct guarded);
} totals SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 8192);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 5000);
} rounded_ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
  __uint(max_entries, 4096);
} commands SEC(".maps");

__u64 drained;

SEC("tc")
int locks_a_value(struct __sk_buff* skb) {
  __u32 key = skb->mark;
  struct guarded* total = bpf_map_lookup_elem(&totals, &key);
  if (!total) return 0;
  bpf_spin_lock(&total->lock);
  total->count++;
  total->bytes += skb->len;
  bpf_spin_unlock(&total->lock);
  return 0;
}

SEC("tc")
int reserves_a_record(struct __sk_buff* skb) {
  struct event* event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
  if (!event) return 0;
  event->size = skb->len;
  bpf_ringbuf_submit(event, 0);
  return 0;
}

SEC("tc")
int outputs_a_record(struct __sk_buff* skb) {
  struct event event = {.size = skb->len};
  return bpf_ringbuf_output(&rounded_ring, &event, sizeof(event), BPF_RB_NO_WAKEUP);
}

SEC("tc")
int reserves_by_pointer(struct __sk_buff* skb) {
  struct bpf_dynptr pointer;
  __u32 size = skb->len & 63;
  if (bpf_ringbuf_reserve_dynptr(&ring, size, 0, &pointer)) {
    bpf_ringbuf_discard_dynptr(&pointer, 0);
    return 1;
  }
  bpf_dynptr_write(&pointer, 0, &size, sizeof(size), 0);
  bpf_ringbuf_submit_dynptr(&pointer, 0);
  return 0;
}

static long on_command(struct bpf_dynptr* command, void* context) {
  __u32 value = 0;
  bpf_dynptr_read(&value, sizeof(value), command, 0, 0);
  drained += value;
  return 0;
}

SEC("tc")
int drains_commands(struct __sk_buff* skb) {
  return bpf_user_ringbuf_drain(&commands, on_command, 0, 0) < 0;
}

SEC("tc")
int adds_atomically(struct __sk_buff* skb) {
  __sync_fetch_and_add(&drained, skb->len);
  return __sync_val_compare_and_swap(&drained, 5, 7) + __sync_lock_test_and_set(&drained, 1);
}

char LICENSE[] SEC("license") = "GPL";
