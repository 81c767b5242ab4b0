// Sends a numbered record per call.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct event {
  __u64 number;
  __u32 thread;
  char text[12];
};

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} sent_and_dropped SEC(".maps");

static __always_inline void count(__u32 slot) {
  __u64* value = bpf_map_lookup_elem(&sent_and_dropped, &slot);
  if (value) __sync_fetch_and_add(value, 1);
}

SEC("uprobe")
int send(struct pt_regs* ctx) {
  struct event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) {
    count(1);
    return 0;
  }
  event->number = PT_REGS_PARM1(ctx);
  event->thread = bpf_get_current_pid_tgid();
  __builtin_memcpy(event->text, "hello world", 12);
  // Every seventh record is given back: a reader must not see it.
  if (event->number % 7 == 6) {
    bpf_ringbuf_discard(event, 0);
    return 0;
  }
  bpf_ringbuf_submit(event, 0);
  count(0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
