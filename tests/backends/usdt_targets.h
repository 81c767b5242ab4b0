// Functions with USDT probes of provider "strata_test". They live in files of their own, so that no compiler sees
// through a call.
#pragma once

#define STRATA_TEST_EXPORT __attribute__((visibility("default"), noinline))

extern "C" {

// Places of the probe "places": each has the two arguments in other places.
STRATA_TEST_EXPORT long usdt_test_registers(int a, long b);
STRATA_TEST_EXPORT long usdt_test_stack(int a, long b);
STRATA_TEST_EXPORT long usdt_test_variables(int a, long b);
STRATA_TEST_EXPORT long usdt_test_constants();  // -7 and 1234567890123
inline constexpr int kPlaces = 4;

// The probe "many" with twelve arguments of all sizes.
STRATA_TEST_EXPORT long usdt_test_many(unsigned long bits);

// The probe "text" with a string.
STRATA_TEST_EXPORT long usdt_test_text(const char* text);

// The probe "guarded", which is passed only while its semaphore is raised; returns how often it was.
STRATA_TEST_EXPORT long usdt_test_guarded(long number);
STRATA_TEST_EXPORT unsigned usdt_test_semaphore_value();

// The probe "floating" has an argument that no program can fetch.
STRATA_TEST_EXPORT double usdt_test_floating(double number);

// In a shared library: the probe "library", with a semaphore too.
STRATA_TEST_EXPORT long usdt_test_library(long number);
STRATA_TEST_EXPORT unsigned usdt_test_library_semaphore_value();
}
