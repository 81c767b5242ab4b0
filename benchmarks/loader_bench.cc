// Loading objects, beside libbpf in the same run:
//   open.200_programs      an object of 200 programs opened from memory that both keep until they are done with what
//                          they opened, as a program does that carries its object: time, and the most heap held at a
//                          time. The bytes themselves count for neither.
//   open.200_programs.copied   the same where the bytes may go at once, so that we copy what we need of them; libbpf
//                          has no other way
//   core.500_relocations   an object with 500 CO-RE relocations opened and loaded, bpf(2) answered by this program: the
//                          kernel's BTF is read anew in every round
// Rounds of both alternate; the least of all rounds counts, because noise only adds. Figures are ratios, ours to
// libbpf's.
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <malloc.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "figures.h"
#include "strata/backend/kernel/kernel_backend.h"
#include "strata/base/raw_syscall.h"
#include "strata/elf/reader.h"
#include "strata/strata.h"

namespace {

// --- The heap as both see it.

long heap_now = 0;
long heap_most = 0;

void* Count(void* memory) {
  if (memory != nullptr) heap_now += static_cast<long>(::malloc_usable_size(memory));
  heap_most = std::max(heap_most, heap_now);
  return memory;
}

void Uncount(void* memory) {
  if (memory != nullptr) heap_now -= static_cast<long>(::malloc_usable_size(memory));
}

// --- A kernel that accepts everything.

int AnyDescriptor() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

long AnswerBpf(unsigned long command) {
  switch (command) {
    case BPF_MAP_CREATE:
    case BPF_PROG_LOAD:
    case BPF_BTF_LOAD:
      return AnyDescriptor();
    default:
      return 0;
  }
}

}  // namespace

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the C library's names of its own functions.
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* memory);
// NOLINTEND(bugprone-reserved-identifier)

__attribute__((visibility("default"))) void* malloc(std::size_t size) { return Count(__libc_malloc(size)); }
__attribute__((visibility("default"))) void* calloc(std::size_t count, std::size_t size) {
  return Count(__libc_calloc(count, size));
}
__attribute__((visibility("default"))) void* realloc(void* memory, std::size_t size) {
  Uncount(memory);
  return Count(__libc_realloc(memory, size));
}
__attribute__((visibility("default"))) void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return Count(__libc_memalign(alignment, size));
}
__attribute__((visibility("default"))) void free(void* memory) {
  Uncount(memory);
  __libc_free(memory);
}

// What libbpf calls for bpf(2).
__attribute__((visibility("default"))) long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  unsigned long arguments[6];
  for (unsigned long& argument : arguments) argument = va_arg(list, unsigned long);
  va_end(list);
  if (number == SYS_bpf) return AnswerBpf(arguments[0]);
  const long result =
      strata::RawSyscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
  if (result >= 0 || result < -4095) return result;
  errno = static_cast<int>(-result);
  return -1;
}
}

namespace {

using Clock = std::chrono::steady_clock;

// The least of all rounds.
struct Cost {
  double time_us = std::numeric_limits<double>::max();
  double heap_bytes = std::numeric_limits<double>::max();
};

void Measure(const std::function<void()>& work, Cost& least) {
  const long heap_before = heap_now;
  heap_most = heap_now;
  const auto start = Clock::now();
  work();
  const std::chrono::duration<double, std::micro> took = Clock::now() - start;
  least.time_us = std::min(least.time_us, took.count());
  least.heap_bytes = std::min(least.heap_bytes, static_cast<double>(heap_most - heap_before));
}

struct Both {
  Cost ours;
  Cost libbpf;
};

Both Alternate(int rounds, const std::function<void()>& ours, const std::function<void()>& libbpf) {
  Both costs;
  for (int round = 0; round < rounds; ++round) {
    Measure(ours, costs.ours);
    Measure(libbpf, costs.libbpf);
  }
  return costs;
}

std::vector<std::byte> ReadFile(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

void Check(bool holds, const char* what) {
  if (holds) return;
  fmt::print(stderr, "loader_bench: {}\n", what);
  std::exit(1);
}

enum class Bytes : std::uint8_t { kOutliveTheSpec, kMayGo };

Both Open200Programs(int rounds, Bytes lifetime) {
  const auto bytes = ReadFile(STRATA_BPF_LOADER_OPEN);
  const bool is_kept = lifetime == Bytes::kOutliveTheSpec;
  const strata::elf::ReadOptions options{.owner = is_kept ? strata::elf::KeepForever(bytes) : nullptr};
  const auto ours = [&] {
    const auto spec = strata::elf::ReadCollectionSpec(bytes, options).value();
    Check(spec.programs.size() == 200, "the object has not 200 programs");
  };
  const auto libbpf = [&] {
    bpf_object* object = ::bpf_object__open_mem(bytes.data(), bytes.size(), nullptr);
    Check(object != nullptr, "libbpf does not open the object");
    ::bpf_object__close(object);
  };
  return Alternate(rounds, ours, libbpf);
}

// What the kernel backend calls for bpf(2).
class StubbedKernel : public strata::kernel::SyscallTable {
 public:
  long Bpf(strata::kernel::Command command, void*, std::uint32_t) const override {
    return AnswerBpf(static_cast<unsigned long>(command));
  }
};

Both Relocate500Times(int rounds) {
  const auto bytes = ReadFile(STRATA_BPF_LOADER_CORE);
  const auto ours = [&] {
    auto backend = strata::OpenKernelBackend({.syscalls = std::make_shared<StubbedKernel>()}).value();
    auto objects = strata::LoadCollection(backend, strata::elf::ReadCollectionSpec(bytes).value()).value();
    Check(objects.programs().size() == 50, "the object has not 50 programs");
  };
  const auto libbpf = [&] {
    bpf_object* object = ::bpf_object__open_mem(bytes.data(), bytes.size(), nullptr);
    Check(object != nullptr && ::bpf_object__load(object) == 0, "libbpf does not load the object");
    ::bpf_object__close(object);
  };
  return Alternate(rounds, ours, libbpf);
}

void Print(const char* name, const Both& costs) {
  fmt::print("{:<24} {:>10.0f} us {:>10.0f} us {:>6.2f}x {:>10.0f} KiB {:>10.0f} KiB {:>6.2f}x\n", name,
             costs.ours.time_us, costs.libbpf.time_us, costs.ours.time_us / costs.libbpf.time_us,
             costs.ours.heap_bytes / 1024, costs.libbpf.heap_bytes / 1024,
             costs.ours.heap_bytes / costs.libbpf.heap_bytes);
}

int Run(bool figures) {
  ::libbpf_set_print(nullptr);
  const int rounds = figures ? 20 : 50;
  const Both open = Open200Programs(rounds, Bytes::kOutliveTheSpec);
  const Both copied = Open200Programs(rounds, Bytes::kMayGo);
  const Both core = Relocate500Times(rounds);
  if (figures) {
    using strata::bench::PrintFigure;
    PrintFigure("loader.open.200_programs.time", open.ours.time_us / open.libbpf.time_us);
    PrintFigure("loader.open.200_programs.memory", open.ours.heap_bytes / open.libbpf.heap_bytes);
    PrintFigure("loader.open.200_programs.copied.time", copied.ours.time_us / copied.libbpf.time_us);
    PrintFigure("loader.open.200_programs.copied.memory", copied.ours.heap_bytes / copied.libbpf.heap_bytes);
    PrintFigure("loader.core.500_relocations.time", core.ours.time_us / core.libbpf.time_us);
    return 0;
  }
  fmt::print("{:<24} {:>13} {:>13} {:>7} {:>14} {:>14} {:>7}\n", "least of the rounds", "strata", "libbpf", "",
             "strata", "libbpf", "");
  Print("open.200_programs", open);
  Print("open.200_programs.copied", copied);
  Print("core.500_relocations", core);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return strata::bench::RunMain(argc, argv, Run); }
