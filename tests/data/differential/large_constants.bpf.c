// Constants that the compiler puts into sections of its own: texts, tables, vectors.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct record {
  __u64 words[8];
};

static const struct record presets[] = {
    {{1, 2, 3, 4, 5, 6, 7, 8}},
    {{8, 7, 6, 5, 4, 3, 2, 1}},
};

static volatile const __u16 squares[16] = {0, 1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121, 144, 169, 196, 225};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct record);
} records SEC(".maps");

SEC("socket")
int copies_a_preset(struct __sk_buff* skb) {
  __u32 key = 0;
  struct record record = presets[skb->len & 1];
  bpf_map_update_elem(&records, &key, &record, BPF_ANY);
  return 0;
}

SEC("socket")
int initializes_on_the_stack(struct __sk_buff* skb) {
  __u32 key = 0;
  struct record record = {{11, 22, 33, 44, 55, 66, 77, 88}};
  bpf_map_update_elem(&records, &key, &record, BPF_ANY);
  return 0;
}

SEC("socket")
int looks_up_a_square(struct __sk_buff* skb) {
  return squares[skb->len & 15];
}

SEC("socket")
int loads_wide_constants(struct __sk_buff* skb) {
  return (skb->len * 0x123456789abcdef0ULL) >> 40;
}

char LICENSE[] SEC("license") = "GPL";
