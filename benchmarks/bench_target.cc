// The function that is probed: in a file of its own, so that no compiler sees through a call.
extern "C" __attribute__((visibility("default"))) long strata_bench_target(long a);

long strata_bench_target(long a) {
  // Begins with a push, as most functions do: the kernel emulates it, where it single-steps most other instructions.
  asm volatile("" ::: "rbx");
  return 3 * a + 1;
}
