// Variables in every section that a loader makes a map of, by every way to refer to them.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct point {
  long x;
  long y;
  char name[8];
};

long initialized = 5;
long zeroed;
const volatile long constant = 7;
static volatile long hidden_static = 9;
static volatile const char text[] = "a constant text";
struct point points[4] = {{1, 2, "one"}, {3, 4, "two"}};
__weak long weak_variable = 11;
long custom SEC(".data.custom") = 13;
const volatile long custom_constant SEC(".rodata.custom") = 17;
const volatile struct point origin = {0, 0, "origin"};
long* points_nowhere;

SEC("socket")
int reads_each_section(struct __sk_buff* skb) {
  return initialized + zeroed + constant + hidden_static + weak_variable + custom + custom_constant;
}

SEC("socket")
int writes_each_section(struct __sk_buff* skb) {
  initialized += skb->len;
  zeroed = initialized * constant;
  hidden_static++;
  custom -= 1;
  return 0;
}

SEC("socket")
int indexes_an_array(struct __sk_buff* skb) {
  __u32 index = skb->len & 3;
  return points[index].x + points[1].y + points[3].name[2];
}

SEC("socket")
int takes_addresses(struct __sk_buff* skb) {
  long* where = skb->len & 1 ? &initialized : &zeroed;
  *where += 1;
  return text[skb->len & 7] + origin.name[3];
}

SEC("socket")
int switches_by_table(struct __sk_buff* skb) {
  switch (skb->protocol) {
    case 0: return 31;
    case 1: return 17;
    case 2: return 99;
    case 3: return 1;
    case 4: return 57;
    case 5: return 12;
    case 6: return 8;
    default: return 0;
  }
}

SEC("socket")
int compares_names(struct __sk_buff* skb) {
  static const char* const names[] = {"tcp", "udp", "icmp"};
  char copy[8] = "udp";
  return bpf_strncmp(copy, 4, "udp") == 0 ? names[0] == names[1] : 3;
}

SEC("tc")
int prints_a_text(struct __sk_buff* skb) {
  bpf_printk("length %d mark %x", skb->len, skb->mark);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
