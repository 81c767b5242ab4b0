// Types and enumerators of the kernel, as they are here.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct sk_buff {
  unsigned int len;
  unsigned int data_len;
} __attribute__((preserve_access_index));

struct path {
  void* mnt;
  void* dentry;
} __attribute__((preserve_access_index));

typedef struct {
  int counter;
} atomic_t;

enum bpf_map_type___kernel {
  BPF_MAP_TYPE_RINGBUF___kernel = 27,
  BPF_MAP_TYPE_STRATA___kernel = 999,
};

enum tcp_ca_state {
  TCP_CA_Open = 0,
  TCP_CA_Loss = 77,
};

SEC("socket")
int asks_for_enumerators(struct __sk_buff* skb) {
  int result = 0;
  if (bpf_core_enum_value_exists(enum bpf_map_type___kernel, BPF_MAP_TYPE_STRATA___kernel)) result = 1;
  if (bpf_core_enum_value_exists(enum tcp_ca_state, TCP_CA_Loss)) {
    result += bpf_core_enum_value(enum tcp_ca_state, TCP_CA_Loss);
  }
  return result + bpf_core_enum_value(enum bpf_map_type___kernel, BPF_MAP_TYPE_RINGBUF___kernel);
}

SEC("socket")
int asks_for_sizes(struct __sk_buff* skb) {
  return bpf_core_type_size(struct sk_buff) + bpf_core_type_size(atomic_t) + bpf_core_type_exists(struct path);
}

SEC("socket")
int asks_for_ids(struct __sk_buff* skb) {
  return bpf_core_type_id_local(struct sk_buff) + (bpf_core_type_id_kernel(struct path) != 0);
}

SEC("socket")
int asks_for_signs(struct __sk_buff* skb) {
  struct sk_buff* none = 0;
  return __builtin_preserve_field_info(none->len, BPF_FIELD_SIGNED) +
         __builtin_preserve_field_info(none->data_len, BPF_FIELD_BYTE_OFFSET);
}

char LICENSE[] SEC("license") = "GPL";
