// What a skeleton has to say in C++: types that C++ sees otherwise, every kind of member, every kind of section.
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

typedef unsigned int id_t_;
typedef unsigned __int128 wide;

enum color { RED, GREEN = 5, class = -1 };
typedef enum { SMALL = 1 } __attribute__((mode(byte))) tiny;
typedef struct {
  __u8 kind;
  __u64 at;
} stamp;

struct empty {};
struct never_defined;

struct flags {
  __u32 low : 3;
  __u32 : 2;
  __u32 high : 7;
  __u64 far : 40;
  __u8 last;
};

struct __attribute__((packed)) squeezed {
  __u8 first;
  __u64 second;
  __u16 third;
};

// Words of C++, macros of system headers, a member called as its type, and gaps.
struct key {
  __u8 new;
  __u32 namespace;
  __u16 errno;
  id_t_ id_t_;
  __u8 operator[3];
};

struct event {
  struct key key;
  enum color color;
  tiny tiny;
  stamp stamp;
  struct flags flags;
  struct squeezed squeezed;
  union {
    __u64 number;
    struct {
      __u16 from;
      __u32 to;
    };
    char text[12];
  };
  struct {
    __u8 depth;
    enum { SHALLOW, DEEP } kind;
  } inner[2];
  struct empty nothing;
  wide total;
  struct never_defined* elsewhere;
  struct event* next;
  int (*callback)(struct event* event, void* template);
  _Bool done;
  float ratio;
  char tail[];
};

union either {
  __u32 whole;
  __u8 part;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, struct key);
  __type(value, stamp);
} by_key SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct event);
} last_events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, char[16]);
  __type(value, union either);
} by_name SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} calls SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 8);
  __type(key, enum color);
  __type(value, struct {
    __u64 count;
    __u32 newest;
  });
} by_color SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
  __type(value, struct event);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} untyped SEC(".maps");

const volatile int wanted = 7;
const volatile struct key chosen = {.namespace = 3};
const volatile char label[8] = "none";
__u64 factor = 3;
struct squeezed shape = {.first = 1, .second = 2, .third = 3};
__u64 matches;
enum color seen;
_Bool is_on;
static volatile __u32 hidden;
struct event newest;
__u64 counters[4] SEC(".data.counters") = {1};
static struct {
  __u32 inside;
} volatile delete SEC(".bss.more");

SEC("uprobe")
int on_call(struct pt_regs* ctx) {
  __u64 argument = PT_REGS_PARM1(ctx);
  __u32 zero = 0;
  struct key key;
  __builtin_memset(&key, 0, sizeof(key));  // padding is part of the key
  key.namespace = argument;
  key.operator[0] = 1;
  key.operator[1] = 2;
  key.operator[2] = 3;
  stamp at = {.kind = 9, .at = argument * factor};
  bpf_map_update_elem(&by_key, &key, &at, BPF_ANY);
  __u64* calls_here = bpf_map_lookup_elem(&calls, &zero);
  if (calls_here) *calls_here += 1;
  if (argument == wanted) matches += 1;
  seen = GREEN;
  hidden += 1;
  delete.inside = label[0];
  counters[1] += chosen.namespace;
  newest.flags.high = 100;
  newest.flags.far = 0xff12345678;
  newest.squeezed.second = argument;
  newest.inner[1].kind = DEEP;
  newest.to = 77;
  struct event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) return 0;
  __builtin_memset(event, 0, sizeof(*event));
  event->key.namespace = argument;
  event->flags.low = 5;
  event->color = class;
  event->stamp.at = shape.third;
  event->done = is_on;
  bpf_ringbuf_submit(event, 0);
  return 0;
}

SEC("?uprobe/libc.so.6:malloc")
int on_malloc(struct pt_regs* ctx) {
  return bpf_map_lookup_elem(&by_name, ctx) != 0 || bpf_map_lookup_elem(&by_color, ctx) != 0 ||
         bpf_map_lookup_elem(&last_events, ctx) != 0 || bpf_ringbuf_query(&untyped, 0) != 0;
}

char LICENSE[] SEC("license") = "GPL";
