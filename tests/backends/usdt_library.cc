#include "usdt_probe.h"
#include "usdt_targets.h"

extern "C" {

__attribute__((section(".probes"), visibility("hidden"))) volatile unsigned short usdt_test_library_semaphore = 0;

long usdt_test_library(long number) {
  if (__builtin_expect(usdt_test_library_semaphore != 0, 0)) {
    STRATA_TEST_PROBE("strata_test", "library", "usdt_test_library_semaphore", "-8@%0 4@%1", "r"(number), "i"(5));
    static volatile long passed = 0;
    passed = passed + 1;
  }
  return number + 1;
}

unsigned usdt_test_library_semaphore_value() { return usdt_test_library_semaphore; }
}
