// Programs that read `input` as the types below and leave what they found in `out`. What `input` really holds, a
// target of targets.c says: only CO-RE makes the programs right.
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char input[512] __attribute__((aligned(8)));
__u64 out[16];

// A pointer of which the compiler does not know that it is `input`.
#define INPUT()                     \
  ({                                \
    void* place = input;            \
    asm volatile("" : "+r"(place)); \
    place;                          \
  })
// Through bpf_probe_read_kernel: the offset is relocated in arithmetic.
#define PROBE(slot, field)                          \
  ({                                                \
    typeof(field) value;                            \
    bpf_core_read(&value, sizeof(value), &(field)); \
    out[slot] = (__u64)value;                       \
  })
// By a load of its own: the offset is relocated in the instruction.
#define LOAD(slot, field) out[slot] = (__u64)(field)
#define PROGRAM(name) SEC("uprobe") int name(void* ctx)
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct nest_inner {
  int y;
};
struct nesting {
  struct {
    struct {
      int x;
    } level2;
  } level1;
  struct {
    struct nest_inner inner;
  } other;
};
PROGRAM(nesting) {
  struct nesting* in = INPUT();
  PROBE(0, in->level1.level2.x);
  PROBE(1, in->other.inner.y);
  return 0;
}
PROGRAM(nesting_direct) {
  struct nesting* in = INPUT();
  LOAD(0, in->level1.level2.x);
  LOAD(1, in->other.inner.y);
  return 0;
}

struct flavors {
  int a;
  int b;
};
struct flavors___reversed {
  int b;
  int a;
};
struct flavors___weird {
  struct {
    int b;
  };
  union {
    int a;
    int d;
  };
};
PROGRAM(flavors) {
  struct flavors* in = INPUT();
  struct flavors___reversed* reversed = (void*)in;
  struct flavors___weird* weird = (void*)in;
  PROBE(0, in->a);
  PROBE(1, reversed->a);
  PROBE(2, weird->a);
  LOAD(3, in->b);
  LOAD(4, reversed->b);
  LOAD(5, weird->b);
  return 0;
}

struct arrays_sub {
  int c;
  int d;
};
struct arrays {
  int a[5];
  char b[2][3][4];
  struct arrays_sub c[3];
  struct arrays_sub d[1][2];
  struct arrays_sub f[][2];
};
PROGRAM(arrays) {
  struct arrays* in = INPUT();
  PROBE(0, in->a[2]);
  PROBE(1, in->b[1][2][3]);
  PROBE(2, in->c[1].c);
  PROBE(3, in->d[0][0].d);
  PROBE(4, in->f[1][0].c);
  return 0;
}
PROGRAM(array_element) {
  struct arrays* in = INPUT();
  LOAD(0, in->a[3]);
  return 0;
}

enum primitive_choice { CHOICE_A = 0, CHOICE_B = 1 };
struct primitives {
  char a;
  int b;
  enum primitive_choice c;
  void* d;
  int (*f)(const char*);
};
PROGRAM(primitives) {
  struct primitives* in = INPUT();
  PROBE(0, in->a);
  PROBE(1, in->b);
  PROBE(2, in->c);
  PROBE(3, in->d);
  PROBE(4, in->f);
  return 0;
}

typedef const int int_t;
typedef const char* volatile restrict char_ptr_t;
typedef const int int_arr_t[7];
struct mods_sub {
  int x;
};
typedef struct mods_sub mods_sub_t;
struct mods {
  int a;
  int_t b;
  char* c;
  char_ptr_t d;
  int e[3];
  int_arr_t f;
  struct mods_sub g;
  mods_sub_t h;
};
PROGRAM(mods) {
  struct mods* in = INPUT();
  PROBE(0, in->a);
  bpf_core_read(&out[1], sizeof(int), &in->b);
  PROBE(2, in->c);
  bpf_core_read(&out[3], sizeof(void*), &in->d);
  PROBE(4, in->e[2]);
  bpf_core_read(&out[5], sizeof(int), &in->f[1]);
  PROBE(6, in->g.x);
  PROBE(7, in->h.x);
  return 0;
}

struct ptr_as_arr {
  int a;
};
PROGRAM(ptr_as_arr) {
  struct ptr_as_arr* in = INPUT();
  PROBE(0, in[2].a);
  return 0;
}

struct ints {
  __u8 u8_field;
  __s8 s8_field;
  __u16 u16_field;
  __s16 s16_field;
  __u32 u32_field;
  __s32 s32_field;
  __u64 u64_field;
  __s64 s64_field;
};
PROGRAM(ints) {
  struct ints* in = INPUT();
  PROBE(0, in->u8_field);
  PROBE(1, in->s8_field);
  PROBE(2, in->u16_field);
  PROBE(3, in->s16_field);
  PROBE(4, in->u32_field);
  PROBE(5, in->s32_field);
  PROBE(6, in->u64_field);
  PROBE(7, in->s64_field);
  return 0;
}
PROGRAM(ints_signed) {
  struct ints* in = INPUT();
  out[0] = bpf_core_field_exists(in->u8_field);
  out[1] = __builtin_preserve_field_info(in->u8_field, BPF_FIELD_SIGNED);
  out[2] = __builtin_preserve_field_info(in->s8_field, BPF_FIELD_SIGNED);
  out[3] = __builtin_preserve_field_info(in->u32_field, BPF_FIELD_SIGNED);
  out[4] = __builtin_preserve_field_info(in->s64_field, BPF_FIELD_SIGNED);
  return 0;
}

struct existence_sub {
  int x;
};
struct existence {
  int a;
  struct {
    int b;
  };
  int c;
  struct existence_sub* ptr;
  int arr[3];
};
// The use of a field is dead where the field does not exist.
#define IF_EXISTS(slot, field, otherwise) \
  if (bpf_core_field_exists(field)) {     \
    PROBE(slot, field);                   \
  } else {                                \
    out[slot] = otherwise;                \
  }
PROGRAM(existence) {
  struct existence* in = INPUT();
  IF_EXISTS(0, in->a, 0xa0);
  IF_EXISTS(1, in->b, 0xb0);
  IF_EXISTS(2, in->c, 0xc0);
  IF_EXISTS(3, in->arr[1], 0xd0);
  out[4] = bpf_core_field_exists(in->a);
  out[5] = bpf_core_field_exists(in->b);
  out[6] = bpf_core_field_exists(in->c);
  out[7] = bpf_core_field_exists(in->ptr);
  out[8] = bpf_core_field_exists(in->arr);
  return 0;
}
PROGRAM(existence_direct) {
  struct existence* in = INPUT();
  out[0] = bpf_core_field_exists(in->a) ? in->a : 0xa0;
  out[1] = bpf_core_field_exists(in->c) ? in->c : 0xc0;
  return 0;
}
// As libraries of helpers do it: the answer comes out of a function.
static __attribute__((noinline)) bool has_c(void) { return bpf_core_field_exists(struct existence, c); }
PROGRAM(existence_by_function) {
  struct existence* in = INPUT();
  out[0] = has_c() ? in->c : 0xc0;
  return 0;
}
// Live, whatever the target has.
PROGRAM(existence_unguarded) {
  struct existence* in = INPUT();
  LOAD(0, in->a);
  LOAD(1, in->c);
  return 0;
}

struct bitfields {
  __u32 ub1 : 1;
  __u8 ub2 : 2;
  __u32 ub7 : 7;
  __s8 sb4 : 4;
  __s32 sb20 : 20;
  __u32 u32_field;
  __s32 s32_field;
};
PROGRAM(bitfields_probed) {
  struct bitfields* in = INPUT();
  out[0] = BPF_CORE_READ_BITFIELD_PROBED(in, ub1);
  out[1] = BPF_CORE_READ_BITFIELD_PROBED(in, ub2);
  out[2] = BPF_CORE_READ_BITFIELD_PROBED(in, ub7);
  out[3] = (__s64)BPF_CORE_READ_BITFIELD_PROBED(in, sb4);
  out[4] = (__s64)BPF_CORE_READ_BITFIELD_PROBED(in, sb20);
  out[5] = BPF_CORE_READ_BITFIELD_PROBED(in, u32_field);
  out[6] = (__s64)BPF_CORE_READ_BITFIELD_PROBED(in, s32_field);
  return 0;
}
PROGRAM(bitfields_direct) {
  struct bitfields* in = INPUT();
  out[0] = BPF_CORE_READ_BITFIELD(in, ub1);
  out[1] = BPF_CORE_READ_BITFIELD(in, ub2);
  out[2] = BPF_CORE_READ_BITFIELD(in, ub7);
  out[3] = (__s64)BPF_CORE_READ_BITFIELD(in, sb4);
  out[4] = (__s64)BPF_CORE_READ_BITFIELD(in, sb20);
  out[5] = BPF_CORE_READ_BITFIELD(in, u32_field);
  out[6] = (__s64)BPF_CORE_READ_BITFIELD(in, s32_field);
  return 0;
}

enum size_choice { SIZE_CHOICE = 1 };
struct sizes {
  int int_field;
  struct {
    int x;
  } struct_field;
  union {
    int x;
  } union_field;
  int arr_field[2];
  void* ptr_field;
  enum size_choice enum_field;
  float float_field;
};
PROGRAM(sizes) {
  struct sizes* in = INPUT();
  out[0] = bpf_core_field_size(in->int_field);
  out[1] = bpf_core_field_size(in->struct_field);
  out[2] = bpf_core_field_size(in->union_field);
  out[3] = bpf_core_field_size(in->arr_field);
  out[4] = bpf_core_field_size(in->arr_field[1]);
  out[5] = bpf_core_field_size(in->ptr_field);
  out[6] = bpf_core_field_size(in->enum_field);
  out[7] = bpf_core_field_size(in->float_field);
  out[8] = bpf_core_field_offset(in->enum_field);
  return 0;
}

struct a_struct {
  int x;
};
union a_union {
  int y;
  int z;
};
typedef struct a_struct named_struct_typedef;
typedef struct {
  int x, y;
} anon_struct_typedef;
typedef struct {
  int a, b;
} * struct_ptr_typedef;
enum an_enum { AN_ENUM_VALUE = 1 };
typedef int int_typedef;
typedef enum { TYPEDEF_ENUM_VALUE } enum_typedef;
typedef void* void_ptr_typedef;
typedef int (*func_proto_typedef)(long);
typedef char arr_typedef[20];
struct missing {
  int x;
};
PROGRAM(type_exists) {
  out[0] = bpf_core_type_exists(struct a_struct);
  out[1] = bpf_core_type_exists(union a_union);
  out[2] = bpf_core_type_exists(enum an_enum);
  out[3] = bpf_core_type_exists(named_struct_typedef);
  out[4] = bpf_core_type_exists(anon_struct_typedef);
  out[5] = bpf_core_type_exists(struct_ptr_typedef);
  out[6] = bpf_core_type_exists(int_typedef);
  out[7] = bpf_core_type_exists(enum_typedef);
  out[8] = bpf_core_type_exists(void_ptr_typedef);
  out[9] = bpf_core_type_exists(func_proto_typedef);
  out[10] = bpf_core_type_exists(arr_typedef);
  out[11] = bpf_core_type_exists(struct missing);
  return 0;
}
PROGRAM(type_size) {
  out[0] = bpf_core_type_size(struct a_struct);
  out[1] = bpf_core_type_size(union a_union);
  out[2] = bpf_core_type_size(enum an_enum);
  out[3] = bpf_core_type_size(named_struct_typedef);
  out[4] = bpf_core_type_size(anon_struct_typedef);
  out[5] = bpf_core_type_size(struct_ptr_typedef);
  out[6] = bpf_core_type_size(int_typedef);
  out[7] = bpf_core_type_size(arr_typedef);
  out[8] = bpf_core_type_size(struct missing);
  return 0;
}
// Ids differ from build to build: the test compares them with those of the two BTFs.
PROGRAM(type_id) {
  out[0] = bpf_core_type_id_local(struct a_struct);
  out[1] = bpf_core_type_id_kernel(struct a_struct);
  out[2] = bpf_core_type_id_kernel(arr_typedef);
  out[3] = bpf_core_type_id_kernel(struct missing);
  return 0;
}
#if __clang_major__ >= 15
PROGRAM(type_matches) {
  out[0] = bpf_core_type_matches(struct a_struct);
  out[1] = bpf_core_type_matches(union a_union);
  out[2] = bpf_core_type_matches(enum an_enum);
  out[3] = bpf_core_type_matches(named_struct_typedef);
  out[4] = bpf_core_type_matches(anon_struct_typedef);
  out[5] = bpf_core_type_matches(int_typedef);
  out[6] = bpf_core_type_matches(func_proto_typedef);
  out[7] = bpf_core_type_matches(arr_typedef);
  out[8] = bpf_core_type_matches(struct missing);
  return 0;
}
#endif

enum named_values { NAMED_ONE = 1, NAMED_TWO = 2, NAMED_THREE___v1 = 3 };
typedef enum { ANON_ONE = 0x10, ANON_TWO = 0x20 } anon_values;
enum negative_values { NEGATIVE_VALUE = -5 };
PROGRAM(enum_values) {
  out[0] = bpf_core_enum_value_exists(enum named_values, NAMED_ONE);
  out[1] = bpf_core_enum_value_exists(enum named_values, NAMED_TWO);
  out[2] = bpf_core_enum_value_exists(enum named_values, NAMED_THREE___v1);
  out[3] = bpf_core_enum_value_exists(anon_values, ANON_ONE);
  out[4] = bpf_core_enum_value_exists(anon_values, ANON_TWO);
  out[5] = bpf_core_enum_value(enum named_values, NAMED_ONE);
  out[6] = bpf_core_enum_value(anon_values, ANON_ONE);
  if (bpf_core_enum_value_exists(enum named_values, NAMED_TWO)) {
    out[7] = bpf_core_enum_value(enum named_values, NAMED_TWO);
  }
  out[8] = bpf_core_enum_value_exists(enum negative_values, NEGATIVE_VALUE);
  if (bpf_core_enum_value_exists(enum negative_values, NEGATIVE_VALUE)) {
    out[9] = bpf_core_enum_value(enum negative_values, NEGATIVE_VALUE);
  }
  return 0;
}
PROGRAM(enum_value_unguarded) {
  out[0] = bpf_core_enum_value(enum named_values, NAMED_TWO);
  return 0;
}
#if __clang_major__ >= 15
enum wide_values { WIDE_ONE = 0x1ffffffffULL, WIDE_TWO = 0x2 };
enum wide_signed_values { WIDE_NEGATIVE = -1, WIDE_LOW = -0x100000000LL };
enum unsigned_values { UNSIGNED_TOP = 0xaaaaaaaaU };
PROGRAM(enum64_values) {
  out[0] = bpf_core_enum_value_exists(enum wide_values, WIDE_ONE);
  out[1] = bpf_core_enum_value_exists(enum wide_values, WIDE_TWO);
  out[2] = bpf_core_enum_value(enum wide_values, WIDE_ONE);
  out[3] = bpf_core_enum_value_exists(enum wide_signed_values, WIDE_LOW);
  out[4] = bpf_core_enum_value(enum wide_signed_values, WIDE_LOW);
  out[5] = bpf_core_enum_value(enum wide_signed_values, WIDE_NEGATIVE);
  if (bpf_core_enum_value_exists(enum wide_values, WIDE_TWO)) {
    out[6] = bpf_core_enum_value(enum wide_values, WIDE_TWO);
  }
  return 0;
}
PROGRAM(enum_unsigned) {
  out[0] = bpf_core_enum_value(enum unsigned_values, UNSIGNED_TOP);
  return 0;
}
#endif

struct autosize {
  unsigned long ptr_like;
  void* ptr;
  unsigned long val1;
  unsigned int val2;
  unsigned short val3;
  unsigned char val4;
};
PROGRAM(autosize) {
  struct autosize* in = INPUT();
  LOAD(0, in->ptr_like);
  LOAD(1, in->val1);
  LOAD(2, in->val2);
  LOAD(3, in->val3);
  LOAD(4, in->val4);
  return 0;
}
PROGRAM(autosize_pointer) {
  struct autosize* in = INPUT();
  LOAD(0, in->ptr);
  return 0;
}
// Stores change their width too: what follows must not be touched.
PROGRAM(autosize_stores) {
  struct autosize* in = INPUT();
  in->val1 = 0x1111111111111111;
  in->val2 = 0x22222222;
  in->val3 = 0x3333;
  in->val4 = 0x44;
  __builtin_memcpy(out, input, sizeof(out));
  return 0;
}
struct autosize_signed {
  long val;
};
PROGRAM(autosize_signed) {
  struct autosize_signed* in = INPUT();
  LOAD(0, in->val);
  return 0;
}

struct misc___a {
  int a1;
};
struct misc___b {
  int b1;
};
struct misc_extensible {
  int a;
  int b;
  int c;
  int d;
};
PROGRAM(misc) {
  void* in = INPUT();
  struct misc___a* a = in;
  struct misc___b* b = in;
  struct misc_extensible* extensible = in;
  PROBE(0, a->a1);
  PROBE(1, b->b1);
  PROBE(2, extensible[0].b);
  PROBE(3, extensible[1].c);
  return 0;
}
static __attribute__((noinline)) int second(struct misc_extensible* in) {
  int value;
  bpf_core_read(&value, sizeof(value), &in->b);
  return value;
}
PROGRAM(subprogram) {
  struct misc_extensible* in = INPUT();
  out[0] = second(in);
  PROBE(1, in->d);
  return 0;
}

struct ambiguous {
  int a;
  int b;
};
PROGRAM(ambiguous_offset) {
  struct ambiguous* in = INPUT();
  PROBE(0, in->b);
  return 0;
}
PROGRAM(ambiguous_agrees) {
  struct ambiguous* in = INPUT();
  PROBE(0, in->a);
  return 0;
}
PROGRAM(ambiguous_size) {
  out[0] = bpf_core_type_size(struct ambiguous);
  return 0;
}
PROGRAM(ambiguous_exists) {
  out[0] = bpf_core_type_exists(struct ambiguous);
  return 0;
}

#pragma clang attribute pop

char LICENSE[] SEC("license") = "GPL";
