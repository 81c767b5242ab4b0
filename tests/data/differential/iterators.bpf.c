// Programs that the kernel runs once per object.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct seq_file;

struct bpf_iter_meta {
  struct seq_file* seq;
  __u64 session_id;
  __u64 seq_num;
} __attribute__((preserve_access_index));

struct task_struct {
  int pid;
  int tgid;
  char comm[16];
} __attribute__((preserve_access_index));

struct bpf_map {
  __u32 id;
  __u32 max_entries;
} __attribute__((preserve_access_index));

struct bpf_iter__task {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map {
  struct bpf_iter_meta* meta;
  struct bpf_map* map;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
  struct bpf_iter_meta* meta;
  struct bpf_map* map;
  void* key;
  void* value;
} __attribute__((preserve_access_index));

__u64 tasks;

static __attribute__((noinline)) int print_pid(struct seq_file* seq, int pid) {
  static const char format[] = "pid %d\n";
  __u64 arguments[] = {pid};
  return bpf_seq_printf(seq, format, sizeof(format), arguments, sizeof(arguments));
}

SEC("iter/task")
int lists_tasks(struct bpf_iter__task* ctx) {
  struct task_struct* task = ctx->task;
  if (!task) return 0;
  tasks++;
  return print_pid(ctx->meta->seq, task->pid) < 0;
}

SEC("iter/task")
int writes_names_of_tasks(struct bpf_iter__task* ctx) {
  struct task_struct* task = ctx->task;
  if (task) bpf_seq_write(ctx->meta->seq, task->comm, sizeof(task->comm));
  return 0;
}

SEC("iter.s/task")
int sleeps_between_tasks(struct bpf_iter__task* ctx) {
  if (ctx->task && ctx->meta->seq_num == 0) tasks = 0;
  return 0;
}

SEC("iter/bpf_map")
int lists_maps(struct bpf_iter__bpf_map* ctx) {
  struct bpf_map* map = ctx->map;
  if (!map) return 0;
  return print_pid(ctx->meta->seq, map->id) < 0;
}

SEC("iter/bpf_map_elem")
int lists_elements(struct bpf_iter__bpf_map_elem* ctx) {
  __u32* key = ctx->key;
  return key && *key == 12345;
}

char LICENSE[] SEC("license") = "GPL";
