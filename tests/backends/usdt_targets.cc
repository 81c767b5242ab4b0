#include "usdt_targets.h"

#include "usdt_probe.h"

extern "C" {

long usdt_test_variable = 0;
int usdt_test_pair[2] = {0, 0};
__attribute__((section(".probes"))) volatile unsigned short usdt_test_guarded_semaphore = 0;

long usdt_test_registers(int a, long b) {
  STRATA_TEST_PROBE("strata_test", "places", "0", "-4@%0 8@%1", "r"(a), "r"(b));
  return a + b;
}

long usdt_test_stack(int a, long b) {
  volatile int first = a;
  volatile long second = b;
  STRATA_TEST_PROBE("strata_test", "places", "0", "-4@%0 8@%1", "m"(first), "m"(second));
  return first + second;
}

long usdt_test_variables(int a, long b) {
  usdt_test_pair[1] = a;
  usdt_test_variable = b;
  STRATA_TEST_PROBE("strata_test", "places", "0", "-4@%0 8@%1", "m"(usdt_test_pair[1]), "m"(usdt_test_variable));
  return a + b;
}

long usdt_test_constants() {
  STRATA_TEST_PROBE("strata_test", "places", "0", "-4@%0 8@%1", "i"(-7), "i"(1234567890123));
  return 42;
}

long usdt_test_many(unsigned long bits) {
  volatile unsigned long kept = bits;
  STRATA_TEST_PROBE("strata_test", "many", "0",
                    "-1@%b0 1@%b0 -2@%w0 2@%w0 -4@%k0 4@%k0 -8@%q0 -1@%1 1@%1 -4@%1 -2@%2 2@%2", "r"(bits), "m"(kept),
                    "i"(-2));
  return static_cast<long>(kept);
}

long usdt_test_text(const char* text) {
  STRATA_TEST_PROBE("strata_test", "text", "0", "8@%0", "r"(text));
  return text[0];
}

long usdt_test_guarded(long number) {
  static volatile long passed = 0;
  if (__builtin_expect(usdt_test_guarded_semaphore != 0, 0)) {
    STRATA_TEST_PROBE("strata_test", "guarded", "usdt_test_guarded_semaphore", "8@%0", "r"(number));
    passed = passed + 1;
  }
  return passed;
}

unsigned usdt_test_semaphore_value() { return usdt_test_guarded_semaphore; }

double usdt_test_floating(double number) {
  STRATA_TEST_PROBE("strata_test", "floating", "0", "8f@%0", "x"(number));
  return number * 2;
}
}
