// A process to be traced: for each line of its input it passes the probe once, if that is switched on, and prints how
// often it has and the semaphore's value. Ends with its input.
#include <stdio.h>

#include "usdt_targets.h"

int main() {
  char line[64];
  for (long number = 1; fgets(line, sizeof(line), stdin) != nullptr; ++number) {
    const long passed = usdt_test_guarded(number);
    printf("%ld %u\n", passed, usdt_test_semaphore_value());
    fflush(stdout);
  }
}
