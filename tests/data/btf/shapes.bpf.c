// One of every shape that a C type can have.
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

struct first;
struct never_defined;
typedef struct first *first_ptr;
typedef int (*operation)(struct first *self, const char *name, ...);
typedef operation operations[3];

enum color { RED, GREEN = 5, BLUE };
enum negative { BELOW = -2, ABOVE = 1 };
enum wide { WIDE = 0x100000000ULL, WIDEST = 0xffffffffffffffffULL };
enum wide_negative { FAR_BELOW = -0x100000000LL };

struct inner {
  u8 a;
  u32 b;
};

union number {
  u64 whole;
  u32 half[2];
  double real;
};

struct first {
  struct second *second;
  first_ptr self;
  struct never_defined *opaque;
  operation run;
  operations table;
};

struct second {
  struct first by_value;
  union number number;
  struct {
    int x;
    union {
      int y;
      float z;
    };
  } named;
  struct {
    char anonymous_a;
    short anonymous_b;
  };
};

struct bits {
  u32 low : 3;
  u32 : 5;
  u32 high : 24;
  int sign : 1;
  u64 wide : 40;
  u8 last;
  enum color color : 4;
};

struct packed {
  u8 a;
  u32 b;
  u64 c;
} __attribute__((packed));

struct packed_bits {
  u8 a : 3;
  u32 b : 30;
  u8 c;
} __attribute__((packed));

struct aligned {
  u8 a;
  u64 b __attribute__((aligned(32)));
} __attribute__((aligned(64)));

struct padded {
  u8 a;
  char *b __attribute__((aligned(16)));
  struct inner inner[2];
};

struct packed_inside {
  struct packed packed;
  u8 after;
};

struct empty {};

struct flexible {
  int count;
  char text[];
};

struct deep {
  const volatile char *const *names[2][3];
  int (*(*choose)(int which))(void);
  int (*matrix)[4];
  void (*none)(void);
  const struct inner constant;
  char *restrict only;
};

struct list {
  struct list *next;
  struct list **pprev;
};

typedef struct {
  int v;
} anonymous_t;

typedef enum { ONE = 1, TWO } anonymous_enum_t;

typedef u64 vector_t __attribute__((aligned(16)));

struct uses {
  anonymous_t a;
  anonymous_enum_t e;
  vector_t v;
  _Bool flag;
  long number;
  unsigned __int128 huge;
};

#define KEEP(type, name) type name##_kept = {}
KEEP(struct second, second);
KEEP(struct bits, bits);
KEEP(struct packed, packed);
KEEP(struct packed_bits, packed_bits);
KEEP(struct aligned, aligned);
KEEP(struct padded, padded);
KEEP(struct packed_inside, packed_inside);
KEEP(struct empty, empty);
KEEP(struct flexible, flexible);
KEEP(struct deep, deep);
KEEP(struct list, list);
KEEP(struct uses, uses);
enum negative negative_kept = ABOVE;
enum wide wide_kept = WIDE;
enum wide_negative wide_negative_kept = FAR_BELOW;

static __attribute__((noinline)) int helper(const struct list *list, enum color color) {
  return list->next != 0 && color != GREEN;
}

__attribute__((section("socket"), used)) int program(void *context) {
  return helper(context, BLUE) + negative_kept;
}
char _license[] __attribute__((section("license"))) = "GPL";
