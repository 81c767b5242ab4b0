// The functions that probes are put on. They live in a file of their own, so that no compiler sees through a call.
#pragma once

extern "C" {
__attribute__((visibility("default"))) long strata_test_add(long a, long b, long c);
__attribute__((visibility("default"))) long strata_test_factorial(long n);
__attribute__((visibility("default"))) long strata_test_send(long number);
__attribute__((visibility("default"))) long strata_test_call(long number);
__attribute__((visibility("default"))) long strata_test_many(long a, long b, long c, long d, long e, long f, long g);
}
