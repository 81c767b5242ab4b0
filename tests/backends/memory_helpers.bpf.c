// One program that calls the helper that it is told to, with the arguments that it is told.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

enum { ROOM = 512 };

struct request {
  __u32 helper;
  __u32 size;
  __u64 address;
};

struct answer {
  __s64 result;
  __u8 bytes[ROOM];
};

struct request request;
struct answer answer;

static long call(__u32 helper, void* room, __u32 size, const void* address) {
  switch (helper) {
    case BPF_FUNC_probe_read:
      return bpf_probe_read(room, size, address);
    case BPF_FUNC_probe_read_user:
      return bpf_probe_read_user(room, size, address);
    case BPF_FUNC_probe_read_kernel:
      return bpf_probe_read_kernel(room, size, address);
    case BPF_FUNC_probe_read_str:
      return bpf_probe_read_str(room, size, address);
    case BPF_FUNC_probe_read_user_str:
      return bpf_probe_read_user_str(room, size, address);
    case BPF_FUNC_probe_read_kernel_str:
      return bpf_probe_read_kernel_str(room, size, address);
    case BPF_FUNC_copy_from_user:
      return bpf_copy_from_user(room, size, address);
    default:
      return -1000;
  }
}

SEC("syscall")
int read_memory(void* ctx) {
  __u32 size = request.size;
  if (size > ROOM) return 1;
  answer.result = call(request.helper, answer.bytes, size, (const void*)(long)request.address);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
