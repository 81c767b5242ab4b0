// Disagrees with helper.bpf.c, in what the macro chooses.
#include "shared.h"

#ifdef SECOND_DEFINITION
int limit = 1;
#endif
#ifdef OTHER_TYPE
extern long limit;
int use(void) { return limit; }
#endif
#ifdef OTHER_MAP
extern struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 128);
  __type(key, __u32);
  __type(value, struct event);
} events SEC(".maps");
#endif
#ifdef OTHER_SECTION
extern int limit SEC(".data.other");
#endif
#ifdef OTHER_PROTOTYPE
extern int add(int a);
#endif

SEC("socket")
int conflicting(struct __sk_buff* skb) {
#ifdef OTHER_MAP
  __u32 key = 0;
  return bpf_map_lookup_elem(&events, &key) != 0;
#elif defined(OTHER_PROTOTYPE)
  return add(1);
#elif defined(OTHER_SECTION)
  return limit;
#else
  return 0;
#endif
}

#ifdef OTHER_LICENSE
char LICENSE[] SEC("license") = "Proprietary";
#else
char LICENSE[] SEC("license") = "GPL";
#endif
