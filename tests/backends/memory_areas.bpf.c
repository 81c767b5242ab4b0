// The area of memory that an address lies in.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block {
  unsigned int s_dev;
};
struct inode {
  unsigned long i_ino;
  struct super_block* i_sb;
};
struct file {
  struct inode* f_inode;
};
struct mm_struct {
  unsigned long arg_start;
};
struct vm_area_struct {
  unsigned long vm_start, vm_end, vm_flags;
  struct mm_struct* vm_mm;
  struct file* vm_file;
};
struct task_struct {
  int tgid;
  struct mm_struct* mm;
  struct task_struct *group_leader, *real_parent;
};

#pragma clang attribute pop

struct {
  __u64 address, other_address, flags;
} request;

struct {
  __s64 status, other_status;
  __u64 calls, begin, end, flags, inode, device;
  __u64 begin_after;
  __u64 state;
  __u32 pid, is_own_memory;
} answer;

static long on_area(struct task_struct* task, struct vm_area_struct* area, __u64* state) {
  ++answer.calls;
  answer.begin = area->vm_start;
  answer.end = area->vm_end;
  answer.flags = area->vm_flags;
  answer.pid = task->tgid;
  answer.is_own_memory = area->vm_mm == task->mm;
  struct file* file = area->vm_file;
  if (file) {
    answer.inode = file->f_inode->i_ino;
    answer.device = file->f_inode->i_sb->s_dev;
  }
  if (state) answer.state = *state;
  return 0;
}

static long on_outer_area(struct task_struct* task, struct vm_area_struct* area, void* state) {
  answer.other_status = bpf_find_vma(task, request.other_address, on_area, 0, 0);
  answer.begin_after = area->vm_start;
  return 0;
}

SEC("raw_tp")
int find(void* ctx) {
  __u64 state = 4711;
  answer.status = bpf_find_vma(bpf_get_current_task_btf(), request.address, on_area, &state, request.flags);
  return 0;
}

SEC("raw_tp")
int find_by_leader(void* ctx) {
  struct task_struct* task = bpf_get_current_task_btf();
  answer.status = bpf_find_vma(task->group_leader, request.address, on_area, 0, 0);
  return 0;
}

SEC("raw_tp")
int find_twice(void* ctx) {
  answer.status = bpf_find_vma(bpf_get_current_task_btf(), request.address, on_outer_area, 0, 0);
  return 0;
}

SEC("raw_tp")
int find_in_parent(void* ctx) {
  struct task_struct* task = bpf_get_current_task_btf();
  answer.status = bpf_find_vma(task->real_parent, request.address, on_area, 0, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
