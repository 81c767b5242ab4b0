// What systems may make of the types in cases.bpf.c, one for each -D. Only the types and the bytes of `value` count.
#define KEEP(type, name) type keep_##name
typedef unsigned char u8;
typedef signed char s8;
typedef unsigned short u16;
typedef short s16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;

#if defined(NESTING)
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
} value = {{{101}}, {{102}}};
#elif defined(NESTING_MOVED)
struct nest_inner {
  long pad;
  int y;
};
struct nesting {
  char pad[40];
  struct {
    struct nest_inner inner;
  } other;
  struct {
    int pad;
    struct {
      long pad;
      int x;
    } level2;
  } level1;
} value = {.level1 = {.level2 = {.x = 101}}, .other = {.inner = {.y = 102}}};
#elif defined(NESTING_ANONYMOUS)
struct nesting {
  int pad;
  union {
    long pad2;
    struct {
      int pad3;
      struct {
        union {
          struct {
            int pad4;
            int x;
          };
        } level2;
      } level1;
    };
  };
  struct {
    struct {
      struct {
        int pad5, y;
      } inner;
    } other;
  };
} value = {.level1 = {.level2 = {.x = 101}}, .other = {.inner = {.y = 102}}};
#elif defined(NESTING_UNION)
union nest_level2 {
  int pad;
  int x;
};
struct nesting {
  union {
    int pad;
    union nest_level2 level2;
  } level1;
  union {
    union {
      int y;
    } inner;
  } other;
} value = {.level1 = {.level2 = {.x = 101}}, .other = {.inner = {.y = 102}}};
#elif defined(NESTING_FLAVOURS)
struct nesting___one {
  struct {
    struct {
      int x;
    } level2;
  } level1;
  struct {
    struct {
      int y;
    } inner;
  } other;
} value = {{{101}}, {{102}}};
struct nesting___two {
  long elsewhere;
} keep_two;
#elif defined(NESTING_NO_FIELD)
struct nesting {
  struct {
    struct {
      int renamed;
    } level2;
  } level1;
  struct {
    struct {
      int y;
    } inner;
  } other;
} value;
#elif defined(NESTING_NO_CONTAINER)
struct nesting {
  struct {
    int x;
  } level1;
  struct {
    struct {
      int y;
    } inner;
  } other;
} value;
#elif defined(NESTING_NO_STRUCT)
struct nesting {
  struct {
    int level2;
  } level1;
  struct {
    struct {
      int y;
    } inner;
  } other;
} value;
#elif defined(NESTING_ARRAY_CONTAINER)
struct nesting {
  struct {
    struct {
      int x;
    } level2[1];
  } level1;
  struct {
    struct {
      int y;
    } inner;
  } other;
} value;
#elif defined(NESTING_ARRAY_FIELD)
struct nesting {
  struct {
    struct {
      int x[1];
    } level2;
  } level1;
  struct {
    struct {
      int y;
    } inner;
  } other;
} value;
#elif defined(NESTING_POINTER)
struct nesting {
  struct {
    struct {
      int x;
    } * level2;
  } level1;
  struct {
    struct {
      int y;
    } inner;
  } other;
} value;
#elif defined(NESTING_AMBIGUOUS)
struct nesting {
  struct {
    struct {
      int x;
    } level2;
  } level1;
  struct {
    struct {
      int y;
    } inner;
  } other;
} value;
struct nesting___other {
  int pad;
  struct {
    struct {
      int x;
    } level2;
  } level1;
  struct {
    struct {
      int y;
    } inner;
  } other;
} keep_other;
#elif defined(NESTING_NO_TYPE)
struct another {
  int x;
} value;

#elif defined(FLAVORS)
struct flavors {
  int a;
  int b;
  int c;
} value = {1, 2, 3};
#elif defined(FLAVORS_MOVED)
struct flavors {
  int pad[5];
  int b;
  int a;
} value = {.a = 1, .b = 2};
#elif defined(FLAVORS_NO_FIELD)
struct flavors {
  int a;
} value = {1};

#elif defined(ARRAYS) || defined(ARRAYS_LARGER) || defined(ARRAYS_FLEXIBLE)
#if defined(ARRAYS)
#define FIRST 5
#define SECOND [2][3][4]
#define THIRD 3
#elif defined(ARRAYS_LARGER)
#define FIRST 7
#define SECOND [3][4][5]
#define THIRD 4
#else
#define FIRST 3
#define SECOND [2][3][4]
#define THIRD 2
#endif
struct arrays_sub {
#ifdef ARRAYS_LARGER
  int pad;
#endif
  int c;
  int d;
};
struct arrays {
  int a[FIRST];
  char b SECOND;
  struct arrays_sub c[THIRD];
  struct arrays_sub d[1][2];
#ifdef ARRAYS_FLEXIBLE
  struct arrays_sub f[0][2];
} value = {.a = {[2] = 2}, .b[1][2][3] = 3, .c = {[1] = {.c = 4}}, .d = {{{.d = 5}}}};
#else
  struct arrays_sub f[2][2];
} value = {
    .a = {[2] = 2, [3] = 33}, .b[1][2][3] = 3, .c = {[1] = {.c = 4}}, .d = {{{.d = 5}}}, .f = {[1] = {{.c = 6}}}};
#endif
#elif defined(ARRAYS_SMALL)
struct arrays_sub {
  int c, d;
};
struct arrays {
  int a[2];
  char b[2][3][4];
  struct arrays_sub c[3];
  struct arrays_sub d[1][2];
  struct arrays_sub f[2][2];
} value;
#elif defined(ARRAYS_SHALLOW)
struct arrays_sub {
  int c, d;
};
struct arrays {
  int a[5];
  char b[2][3];
  struct arrays_sub c[3];
  struct arrays_sub d[1][2];
  struct arrays_sub f[2][2];
} value;
#elif defined(ARRAYS_NONE)
struct arrays_sub {
  int c, d;
};
struct arrays {
  int a;
  char b[2][3][4];
  struct arrays_sub c[3];
  struct arrays_sub d[1][2];
  struct arrays_sub f[2][2];
} value;
#elif defined(ARRAYS_OF_OTHERS)
struct arrays_sub {
  int c, d;
};
struct arrays {
  int a[5];
  char b[2][3][4];
  int c[3];
  struct arrays_sub d[1][2];
  struct arrays_sub f[2][2];
} value;
#elif defined(ARRAYS_ZERO_NOT_LAST)
struct arrays_sub {
  int c, d;
};
struct arrays {
  int a[5];
  char b[2][3][4];
  struct arrays_sub c[0];
  struct arrays_sub d[1][2];
  struct arrays_sub f[2][2];
} value;

#elif defined(PRIMITIVES)
enum primitive_choice { CHOICE_A, CHOICE_B };
struct primitives {
  char a;
  int b;
  enum primitive_choice c;
  void* d;
  int (*f)(const char*);
} value = {1, 2, CHOICE_B, (void*)4, (void*)5};
#elif defined(PRIMITIVES_OTHERS)
enum primitive_choice { CHOICE_X = 9, CHOICE_Y = 10 };
struct primitives {
  void (*f)(int, long);
  const struct never_defined* d;
  int b;
  enum primitive_choice c;
  s8 a;
} value = {.a = 1, .b = 2, .c = CHOICE_X, .d = (void*)4, .f = (void*)5};
#elif defined(PRIMITIVES_NO_ENUM)
struct primitives {
  char a;
  int b;
  int c;
  void* d;
  int (*f)(const char*);
} value;
#elif defined(PRIMITIVES_NO_INT)
enum primitive_choice { CHOICE_A, CHOICE_B };
struct primitives {
  char a[1];
  int* b;
  enum primitive_choice c;
  void* d;
  int (*f)(const char*);
} value;
#elif defined(PRIMITIVES_NO_POINTER)
enum primitive_choice { CHOICE_A, CHOICE_B };
struct primitives {
  char a;
  int b;
  enum primitive_choice c;
  u64 d;
  int (*f)(const char*);
} value;

#elif defined(MODS)
struct mods_sub {
  int x;
};
struct mods {
  int a;
  int b;
  char* c;
  char* d;
  int e[5];
  int f[10];
  struct mods_sub g;
  struct mods_sub h;
} value = {1, 2, (void*)3, (void*)4, {0, 0, 5}, {0, 6}, {7}, {8}};
#elif defined(MODS_TYPEDEFS)
typedef const int int_t;
typedef int_t int_tt;
typedef const int_tt int_ttt;
typedef char* char_ptr_t;
typedef const char_ptr_t const_char_ptr_t;
typedef const int int_arr_t[4];
typedef int_arr_t int_arr_tt;
typedef struct {
  int pad;
  int x;
} mods_struct_t;
typedef mods_struct_t mods_struct_tt;
struct mods {
  mods_struct_tt h;
  int_ttt a;
  volatile int_tt b;
  const_char_ptr_t c;
  volatile char_ptr_t d;
  int_arr_tt e;
  const volatile int_arr_tt f;
  mods_struct_t g;
} value = {.a = 1, .b = 2, .c = (void*)3, .d = (void*)4, .e = {0, 0, 5}, .f = {0, 6}, .g = {.x = 7}, .h = {.x = 8}};

#elif defined(PTR_AS_ARR)
struct ptr_as_arr {
  int a;
} value[3] = {{0}, {0}, {42}};
#elif defined(PTR_AS_ARR_LARGER)
struct ptr_as_arr {
  long pad;
  int a;
  char pad2[20];
} value[3] = {[2] = {.a = 42}};

#elif defined(INTS)
struct ints {
  u8 u8_field;
  s8 s8_field;
  u16 u16_field;
  s16 s16_field;
  u32 u32_field;
  s32 s32_field;
  u64 u64_field;
  s64 s64_field;
} value = {1, -2, 3, -4, 5, -6, 7, -8};
#elif defined(INTS_OTHER_SIGN)
struct ints {
  s64 u64_field;
  u64 s64_field;
  s32 u32_field;
  u32 s32_field;
  s16 u16_field;
  u16 s16_field;
  s8 u8_field;
  u8 s8_field;
} value = {7, (u64)-8, 5, (u32)-6, 3, (u16)-4, 1, (u8)-2};
#elif defined(INTS_BOOL)
struct ints {
  _Bool u8_field;
  s8 s8_field;
  u16 u16_field;
  s16 s16_field;
  u32 u32_field;
  s32 s32_field;
  u64 u64_field;
  s64 s64_field;
} value = {1, -2, 3, -4, 5, -6, 7, -8};

#elif defined(EXISTENCE)
struct existence {
  int a;
  struct {
    int b;
  };
  int c;
  struct existence* ptr;
  int arr[3];
} value = {1, {2}, 3, 0, {0, 4}};
#elif defined(EXISTENCE_MINIMAL)
struct existence {
  long pad;
  int a;
} value = {.a = 1};
#elif defined(EXISTENCE_OTHER_TYPES)
struct existence {
  struct {
    int x;
  } a;
  int* b;
  float c;
  int ptr;
  int arr;
} value;

#elif defined(BITFIELDS)
struct bitfields {
  u32 ub1 : 1;
  u8 ub2 : 2;
  u32 ub7 : 7;
  s8 sb4 : 4;
  s32 sb20 : 20;
  u32 u32_field;
  s32 s32_field;
} value = {1, 2, 96, -7, -76543, 0x80000000, -0x76543210};
#elif defined(BITFIELDS_OTHER_SIZES)
struct bitfields {
  u64 pad : 11;
  s32 sb20 : 24;
  u32 ub7 : 9;
  s8 sb4 : 5;
  u8 ub2 : 3;
  u32 ub1 : 2;
  u16 u32_field;
  s64 s32_field;
} value = {.ub1 = 3, .ub2 = 5, .ub7 = 300, .sb4 = -13, .sb20 = -4123456, .u32_field = 50000, .s32_field = -5000000000};
#elif defined(BITFIELDS_AND_INTS)
struct bitfields {
  u64 ub1;
  u8 ub2;
  s64 ub7;
  s8 sb4;
  s64 sb20;
  u32 u32_field : 20;
  s32 s32_field : 30;
} value = {.ub1 = 0x123456789,
           .ub2 = 0xfe,
           .ub7 = -5,
           .sb4 = -128,
           .sb20 = -0x123456789,
           .u32_field = 0xfffff,
           .s32_field = -0x1fffffff};
#elif defined(BITFIELDS_JUST_FIT)
struct bitfields {
  u64 pad : 4;
  u64 ub1 : 60;
  u8 ub2 : 2;
  u32 ub7 : 7;
  s8 sb4 : 4;
  s32 sb20 : 20;
  u32 u32_field;
  s32 s32_field;
} value = {.ub1 = 0x123456789abcdefULL, .ub2 = 1, .ub7 = 2, .sb4 = 3, .sb20 = 4, .u32_field = 5, .s32_field = 6};
#elif defined(BITFIELDS_TOO_WIDE)
struct bitfields {
  u16 pad : 3;
  u64 ub1 : 63 __attribute__((packed));
  u8 ub2 : 2;
  u32 ub7 : 7;
  s8 sb4 : 4;
  s32 sb20 : 20;
  u32 u32_field;
  s32 s32_field;
} value;

#elif defined(SIZES)
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
} value;
#elif defined(SIZES_OTHERS)
enum size_choice { SIZE_CHOICE = 0x100000000 };
struct sizes {
  double float_field;
  enum size_choice enum_field;
  char* ptr_field;
  u64 arr_field[10];
  struct {
    u8 x[13];
  } union_field;
  union {
    u64 x, y[3];
  } struct_field;
  s8 int_field;
} value;
#elif defined(SIZES_AMBIGUOUS)
enum size_choice { SIZE_CHOICE = 1 };
struct sizes___one {
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
} value;
struct sizes___two {
  s64 int_field;
} keep_two;

#elif defined(TYPES) || defined(TYPES_PADDED)
#ifdef TYPES_PADDED
#define PAD long pad1, pad2;
KEEP(int, first[3]);
typedef struct {
  int unrelated;
} unrelated_t;
KEEP(unrelated_t, unrelated);
#else
#define PAD
#endif
struct a_struct {
  int x;
  PAD
};
union a_union {
  int y;
  int z;
};
typedef struct a_struct named_struct_typedef;
typedef struct {
  int x, y;
  PAD
} anon_struct_typedef;
typedef struct {
  int a, b, c;
} * struct_ptr_typedef;
enum an_enum { AN_ENUM_VALUE = 1 };
typedef int int_typedef;
typedef enum { TYPEDEF_ENUM_VALUE } enum_typedef;
typedef void* void_ptr_typedef;
typedef int (*func_proto_typedef)(long);
typedef char arr_typedef[20];
struct a_struct value;
KEEP(union a_union, union);
KEEP(enum an_enum, enum);
KEEP(named_struct_typedef, named);
KEEP(anon_struct_typedef, anon);
KEEP(struct_ptr_typedef, ptr);
KEEP(int_typedef, int);
KEEP(enum_typedef, enum_t);
KEEP(void_ptr_typedef, void_ptr);
KEEP(func_proto_typedef, func);
KEEP(arr_typedef, arr);
#elif defined(TYPES_OTHERS)
struct a_union {  // was a union
  int y;
  int z;
};
union a_struct {  // was a struct
  int x;
};
typedef union a_struct named_struct_typedef;
typedef int anon_struct_typedef;
typedef void* struct_ptr_typedef;
typedef u64 an_enum;
typedef void* int_typedef;
typedef int enum_typedef;
typedef int void_ptr_typedef;
typedef int (*func_proto_typedef)(long, long);
typedef int arr_typedef;
struct a_union value;
KEEP(union a_struct, struct);
KEEP(named_struct_typedef, named);
KEEP(anon_struct_typedef, anon);
KEEP(struct_ptr_typedef, ptr);
KEEP(an_enum, enum);
KEEP(int_typedef, int);
KEEP(enum_typedef, enum_t);
KEEP(void_ptr_typedef, void_ptr);
KEEP(func_proto_typedef, func);
KEEP(arr_typedef, arr);

#elif defined(ENUMS)
enum named_values { NAMED_ONE = 1, NAMED_TWO = 2, NAMED_THREE = 3 };
typedef enum { ANON_ONE = 0x10, ANON_TWO = 0x20 } anon_values;
enum negative_values { NEGATIVE_VALUE = -5 };
int value;
KEEP(enum named_values, named);
KEEP(anon_values, anon);
KEEP(enum negative_values, negative);
#elif defined(ENUMS_OTHERS)
enum named_values___x { NAMED_TWO = 222, NAMED_ONE___y = 111, NAMED_THREE___v9 = 333 };
typedef enum { ANON_TWO = 0x2000, ANON_ONE = 0x1000 } anon_values;
enum negative_values { NEGATIVE_VALUE = -500 };
int value;
KEEP(enum named_values___x, named);
KEEP(anon_values, anon);
KEEP(enum negative_values, negative);
#elif defined(ENUMS_MISSING)
enum named_values { NAMED_ONE = 5 };
typedef enum { ANON_ONE = 6 } anon_values;
int value;
KEEP(enum named_values, named);
KEEP(anon_values, anon);
#elif defined(ENUMS64)
enum wide_values { WIDE_ONE = 0x1ffffffffULL, WIDE_TWO = 0x2 };
enum wide_signed_values { WIDE_NEGATIVE = -1, WIDE_LOW = -0x100000000LL };
int value;
KEEP(enum wide_values, wide);
KEEP(enum wide_signed_values, wide_signed);
#elif defined(ENUMS64_OTHERS)
enum wide_values { WIDE_TWO = 7, WIDE_ONE = 8 };  // 32 bits again
enum wide_signed_values { WIDE_LOW = -0x200000003LL, WIDE_NEGATIVE = -9 };
int value;
KEEP(enum wide_values, wide);
KEEP(enum wide_signed_values, wide_signed);
#elif defined(ENUMS64_MISSING)
enum wide_values { WIDE_ONE = 3 };
enum wide_signed_values { WIDE_LOW = -4, WIDE_NEGATIVE = -5 };
int value;
KEEP(enum wide_values, wide);
KEEP(enum wide_signed_values, wide_signed);
#elif defined(ENUM_UNSIGNED)
enum unsigned_values { UNSIGNED_TOP = 0xbbbbbbbbU };
int value;
KEEP(enum unsigned_values, top);

#elif defined(AUTOSIZE_SAME)
struct autosize {
  u64 ptr_like;
  void* ptr;
  u64 val1;
  u32 val2;
  u16 val3;
  u8 val4;
} value = {1, (void*)2, 0xaaaaaaaaaaaaaaaa, 0xbbbbbbbb, 0xcccc, 0xdd};
#elif defined(AUTOSIZE_SMALLER)
struct autosize {
  u8 val4;
  u8 val3;
  u8 val2;
  u16 guard;
  u32 val1;
  u32 ptr_like;
  u64* ptr;
} value = {0xdd, 0xcc, 0xbb, 0x9999, 0xaaaaaaaa, 1, (void*)2};
#elif defined(AUTOSIZE_LARGER)
struct autosize {
  u16 val4;
  u32 val3;
  u64 val2;
  u64 val1;
  u64 ptr_like;
  void* ptr;
} value = {0xdddd, 0xcccccccc, 0xbbbbbbbbbbbbbbbb, 0xaaaaaaaaaaaaaaaa, 1, (void*)2};
#elif defined(AUTOSIZE_SIGNED)
struct autosize {
  s32 ptr_like;
  void* ptr;
  s32 val1;
  u32 val2;
  u16 val3;
  u8 val4;
} value;
struct autosize_signed {
  s32 val;
} keep_signed;

#elif defined(MISC)
struct misc___x {
  int a1;
  int b1;
};
struct misc_extensible {
  int a, b, c, d, e, f, g, h;
};
struct {
  struct misc___x misc;
  int pad[6];
} unused;
struct misc_extensible value[2] = {{.a = 1, .b = 2, .c = 3, .d = 4}, {.c = 77}};
KEEP(struct misc___x, misc);

#elif defined(AMBIGUOUS)
struct ambiguous {
  int a;
  int b;
} value = {1, 2};
struct ambiguous___more {
  int a;
  int c;
  int b;
} keep_more;
#else
#error "name a target by -D"
#endif
