#include "traced_functions.h"

extern "C" {
#define STRATA_TRACED(name)                                  \
  __attribute__((noinline, used)) long name(long argument) { \
    long result = argument * 10;                             \
    asm volatile("" : "+r"(result) : : "memory");            \
    return result;                                           \
  }
STRATA_TRACED(strata_traced_one)
STRATA_TRACED(strata_traced_two)
STRATA_TRACED(strata_traced_three)
}
