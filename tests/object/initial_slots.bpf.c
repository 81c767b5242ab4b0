// Maps that hold programs and maps from the start; what a run returns tells which slot it went through.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

int target_of_one(struct __sk_buff* skb);
int target_of_five(struct __sk_buff* skb);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 8);
  __uint(key_size, 4);
  __array(values, int(struct __sk_buff*));
} programs SEC(".maps") = {
    .values =
        {
            [1] = (void*)&target_of_one,
            [5] = (void*)&target_of_five,
        },
};

struct counter {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} first SEC(".maps"), third SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(values, struct counter);
} maps SEC(".maps") = {
    .values = {[0] = &first, [2] = &third},
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(values, struct counter);
} maps_by_number SEC(".maps") = {
    .values = {[3] = &third},
};

SEC("tc")
int target_of_one(struct __sk_buff* skb) {
  return 101;
}

SEC("tc")
int target_of_five(struct __sk_buff* skb) {
  return 105;
}

SEC("tc")
int calls_slot_of_mark(struct __sk_buff* skb) {
  bpf_tail_call(skb, &programs, skb->mark);
  return -1;
}

SEC("tc")
int reads_map_of_mark(struct __sk_buff* skb) {
  __u32 slot = skb->mark, key = 0;
  void* inner = bpf_map_lookup_elem(&maps, &slot);
  if (!inner) return -1;
  __u32* value = bpf_map_lookup_elem(inner, &key);
  return value ? *value : -2;
}

SEC("tc")
int reads_numbered_map_of_mark(struct __sk_buff* skb) {
  __u32 number = skb->mark, key = 0;
  void* inner = bpf_map_lookup_elem(&maps_by_number, &number);
  if (!inner) return -1;
  __u32* value = bpf_map_lookup_elem(inner, &key);
  return value ? *value : -2;
}

char LICENSE[] SEC("license") = "GPL";
