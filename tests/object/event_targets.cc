#include "event_targets.h"

extern "C" {

long strata_test_emit(long number, long size_bytes) {
  volatile long kept = number + size_bytes;
  return kept;
}

long strata_test_drain() {
  volatile long kept = 1;
  return kept;
}
}
