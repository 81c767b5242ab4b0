// Types of every kind, for the printing of values.
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

enum color { RED = 0, GREEN = 5, BLUE = -1 };

struct point {
  short x, y;
};

struct everything {
  int number;
  unsigned char small;
  bool is_set;
  char letter;
  char name[8];
  enum color color;
  struct point points[2];
  unsigned int low : 3;
  int middle : 5;
  unsigned int high : 24;
  void* address;
  union {
    __u32 word;
    __u16 half;
  };
  __u64 counts[4];
  const char* const volatile text;
  double real;
};

struct everything value;

SEC("uprobe")
int uses_value(void* ctx) {
  return value.number;
}

char LICENSE[] SEC("license") = "GPL";
