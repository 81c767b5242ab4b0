// Counts this process's own malloc calls by size, on the backend named on the command line:
//   count_malloc malloc_hist.bpf.o [userspace|kernel]
#include <strata/strata.h>

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace {

struct Histogram {
  std::array<std::uint64_t, 32> slots;
};

strata::Result<void> CountMalloc(const char* object, const char* backend_name) {
  auto backend = STRATA_TRY(strata::OpenBackend(backend_name));
  auto objects = STRATA_TRY(strata::LoadCollection(backend, object));
  auto sizes = STRATA_TRY(objects.FindMap<strata::Array<Histogram>>("sizes"));
  auto* on_malloc = STRATA_TRY(objects.FindProgram("on_malloc"));
  auto libc = STRATA_TRY(strata::OpenExecutable("libc.so.6", {.pid = getpid()}));
  auto probe = STRATA_TRY(libc.AttachUprobe("malloc", *on_malloc, {.pid = getpid()}));
  void* (*volatile allocate)(std::size_t) = std::malloc;  // or the compiler would leave out both calls
  for (int i = 0; i < 1000; ++i) std::free(allocate(100));
  STRATA_TRY(std::move(probe).Detach());

  for (const Histogram& histogram : STRATA_TRY(sizes.Snapshot())) {
    for (std::size_t slot = 0; slot < histogram.slots.size(); ++slot) {
      if (histogram.slots[slot] > 0) std::printf("[%7zu, %7zu) %lu\n", 1UL << slot, 2UL << slot, histogram.slots[slot]);
    }
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s malloc_hist.bpf.o [userspace|kernel]\n", argv[0]);
    return 2;
  }
  const auto done = CountMalloc(argv[1], argc > 2 ? argv[2] : "userspace");
  if (!done) std::fprintf(stderr, "%s: %s\n", argv[0], done.error().message().c_str());
  return done ? 0 : 1;
}
