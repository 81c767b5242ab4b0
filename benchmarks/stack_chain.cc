// A stack of known depth, compiled with frame pointers, so that both backends find all of it.
extern "C" __attribute__((visibility("default"), noinline)) long strata_bench_stack_leaf(long depth);

long strata_bench_stack_leaf(long depth) {
  asm volatile("" ::: "rbx");  // begins with pushes, and is long enough for a jump
  return 3 * depth + 1;
}

long CallAtDepth(long depth);

[[gnu::noinline]] long CallAtDepth(long depth) {
  return depth == 0 ? strata_bench_stack_leaf(depth) + 1 : CallAtDepth(depth - 1) + 1;
}
