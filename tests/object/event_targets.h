// The functions that the event tests put probes on. They live in a file of their own, so that no compiler sees through
// a call.
#pragma once

extern "C" {
__attribute__((visibility("default"))) long strata_test_emit(long number, long size_bytes);
__attribute__((visibility("default"))) long strata_test_drain();
}
