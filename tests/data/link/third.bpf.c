// A third object: a hidden function, a tail call table, and a declaration of what helper.bpf.c defines.
#include "shared.h"

extern int limit;
extern __hidden int add(int a, int b);

int last(struct __sk_buff* skb);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 2);
  __uint(key_size, sizeof(__u32));
  __array(values, int(void*));
} table SEC(".maps") = {.values = {[1] = (void*)&last}};

SEC("socket")
int last(struct __sk_buff* skb) { return add(limit, 3); }

char LICENSE[] SEC("license") = "GPL";
