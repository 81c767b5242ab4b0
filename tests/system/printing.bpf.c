// Says something by every way there is: bpf_printk, a typed ring buffer, a hash of structs, a tagged histogram.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum color { RED, GREEN };

struct event {
  __u32 number;
  enum color color;
  char text[8];
};

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
  __type(value, struct event);
} events SEC(".maps");

struct pair {
  __s32 first;
  __u64 second;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct pair);
} pairs SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, __u64);
} spread SEC(".maps") __attribute__((btf_decl_tag("log2_hist")));

SEC("uprobe/" TARGET ":strata_target_call")
int on_call(struct pt_regs* ctx) {
  struct event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (event) {
    event->number = 7;
    event->color = GREEN;
    __builtin_memcpy(event->text, "hi\0\0\0\0\0", 8);
    bpf_ringbuf_submit(event, 0);
  }
  __u32 key = 5;
  struct pair pair = {.first = -3, .second = 1ULL << 60};
  bpf_map_update_elem(&pairs, &key, &pair, BPF_ANY);
  __u32 slot = 3;
  __u64* count = bpf_map_lookup_elem(&spread, &slot);
  if (count) __sync_fetch_and_add(count, 1);
  bpf_printk("argument %d", (int)PT_REGS_PARM1(ctx));
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
