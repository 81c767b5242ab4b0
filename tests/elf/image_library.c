// What image_test.cc looks for.
int strata_test_counter = 3;

__attribute__((noinline)) int strata_test_add(int a, int b) { return a + b + strata_test_counter; }

static __attribute__((noinline, used)) int strata_test_local(int a) { return a * 3; }

__attribute__((weak)) int strata_test_weak(int a) { return strata_test_local(a); }

static __attribute__((used)) int (*resolve(void))(int, int) { return strata_test_add; }
int strata_test_indirect(int, int) __attribute__((ifunc("resolve")));
