// Compiled with frame pointers, so that everybody finds the callers.
extern "C" {

[[gnu::noinline]] long strata_test_stack_leaf(long number) {
  static volatile long sum = 0;
  sum = sum + number * 3;
  return sum;
}

[[gnu::noinline]] long strata_test_stack_one(long number) { return strata_test_stack_leaf(number) + 1; }
[[gnu::noinline]] long strata_test_stack_other(long number) {
  return strata_test_stack_one(number) + strata_test_stack_leaf(number + 1);
}
}
