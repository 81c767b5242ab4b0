#include "targets.h"

extern "C" {

// Keeps its sum in the red zone, which a hook must not touch.
long strata_test_add(long a, long b, long c) {
  volatile long sum = a + b + c;
  return sum;
}

long strata_test_factorial(long n) {
  // Through a pointer, or the compiler would make a loop of it.
  static long (*volatile self)(long) = strata_test_factorial;
  return n <= 1 ? 1 : n * self(n - 1);
}

long strata_test_send(long number) {
  volatile long kept = number;
  return kept;
}

long strata_test_call(long number) {
  volatile long kept = number;
  return kept + 1;
}

long strata_test_many(long a, long b, long c, long d, long e, long f, long g) {
  volatile long sum = a + b + c + d + e + f + g;
  return sum;
}
}
