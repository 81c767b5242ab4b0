// What a program has counted: its totals, and its links that are not added to them yet.
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <cerrno>

#include "link_stats.h"
#include "objects.h"

namespace strata::userspace {
namespace {

void AddLines(const runtime::LinkView& link, runtime::LinkCounters* sum) {
  for (std::uint32_t i = 0; i < link.header.counters_count; ++i) AddCounts(link.counters[i], sum);
}

bool IsSummed(const runtime::LinkView& link) { return __atomic_load_n(&link.shared->is_summed, __ATOMIC_ACQUIRE) != 0; }

// How fast the counter runs, measured once over 10 ms against the clock.
double MeasureTickNanoseconds() {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC_RAW, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
  };
  const double start_ns = now();
  const std::uint64_t start_ticks = __rdtsc();
  ::usleep(10'000);
  const double elapsed_ns = now() - start_ns;
  return elapsed_ns / static_cast<double>(__rdtsc() - start_ticks);
}

}  // namespace

std::uint64_t TicksToNanoseconds(std::uint64_t ticks) {
  if (ticks == 0) return 0;
  static const double kTickNs = MeasureTickNanoseconds();
  return static_cast<std::uint64_t>(static_cast<double>(ticks) * kTickNs);
}

Result<ProgramStats> UserspaceProgram::Stats() {
  runtime::ProgramHeader header;
  if (::pread(object_->file.fd.get(), &header, sizeof(header), 0) != static_cast<ssize_t>(sizeof(header)))
    return Error(ErrorCode::kMalformed, fmt::format("program {}: its file is damaged", info_.name), EBADMSG);
  const std::lock_guard lock(mutex_);
  runtime::LinkCounters sum{};
  sum.run_count = header.run_count;
  sum.run_ticks = header.run_ticks;
  sum.missed_count = header.missed_count;
  std::vector<std::uint32_t> own;
  for (const runtime::LinkView* link : links_) {
    own.push_back(link->header.id);
    if (!IsSummed(*link)) AddLines(*link, &sum);
  }
  AddCounts(CountsOfLinks(shared_->session->folder_fd(), info_.id, own), &sum);
  return ProgramStats{sum.run_count, TicksToNanoseconds(sum.run_ticks), sum.missed_count};
}

void UserspaceProgram::AddLink(const runtime::LinkView* link) {
  const std::lock_guard lock(mutex_);
  links_.push_back(link);
}

void UserspaceProgram::RemoveLink(const runtime::LinkView* link, LinkFate fate) {
  const std::lock_guard lock(mutex_);
  if (fate == LinkFate::kGone) SumLink(link->shared, link->size_bytes, object_->file.fd.get());
  std::erase(links_, link);
}

}  // namespace strata::userspace
