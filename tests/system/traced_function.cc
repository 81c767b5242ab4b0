// The function that the probes are put on: in a file of its own, so that no compiler sees through a call.
extern "C" __attribute__((visibility("default"))) long strata_target_call(long argument);

// Keeps its argument in the red zone, which a hook must not touch.
long strata_target_call(long argument) {
  volatile long kept = argument;
  return kept;
}
