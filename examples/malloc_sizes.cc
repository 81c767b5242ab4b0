// Counts this process's own malloc calls by size, on the backend named on the command line:
//   malloc_sizes [userspace|kernel]
// The object is inside of the program: malloc_sizes.skel.h is made of malloc_sizes.bpf.c by strata_skeleton().
#include <strata/strata.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "malloc_sizes.skel.h"

namespace {

strata::Result<void> CountMallocSizes(const char* backend_name) {
  auto backend = STRATA_TRY(strata::OpenBackend(backend_name));
  auto spec = STRATA_TRY(malloc_sizes::Open());
  spec.rodata().min_bytes = 1000;  // a variable of the program, by its name and type
  spec.maps().sizes.max_entries = 1024;
  auto tracer = STRATA_TRY(std::move(spec).Load(backend));
  auto attached = STRATA_TRY(tracer.AttachAll({.pid = getpid()}));
  for (const auto& skipped : attached.skipped) std::printf("not attached: %s\n", skipped.program.c_str());

  void* (*volatile allocate)(std::size_t) = std::malloc;  // or the compiler would leave out both calls
  for (int i = 0; i < 1000; ++i) std::free(allocate(100 + (i % 2) * 5000));
  attached.links.clear();

  for (const auto& [size, value] : STRATA_TRY(tracer.maps().sizes.Snapshot())) {
    std::printf("%8llu %llu\n", static_cast<unsigned long long>(size), value.count);
  }
  std::printf("   calls %llu\n", static_cast<unsigned long long>(tracer.bss().calls));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const auto done = CountMallocSizes(argc > 1 ? argv[1] : "userspace");
  if (!done) std::fprintf(stderr, "%s: %s\n", argv[0], done.error().message().c_str());
  return done ? 0 : 1;
}
