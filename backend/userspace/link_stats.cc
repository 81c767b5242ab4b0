#include "link_stats.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "mapped_header.h"
#include "strata/backend/userspace/runtime/session_view.h"

namespace strata::userspace {
namespace {

// The counters of a link's file, added up; zero where they would lie outside of it.
runtime::LinkCounters CountsOf(const runtime::LinkHeader* link, std::size_t size) {
  runtime::LinkCounters sum{};
  const std::uint64_t offset = link->counters_offset;
  const std::uint64_t count = link->counters_count;
  if (offset % runtime::kCacheLine != 0 || offset > size || count > (size - offset) / sizeof(runtime::LinkCounters))
    return sum;
  const auto* lines = reinterpret_cast<const runtime::LinkCounters*>(reinterpret_cast<const std::byte*>(link) + offset);
  for (std::uint64_t i = 0; i < count; ++i) AddCounts(lines[i], &sum);
  return sum;
}

void Add(const runtime::LinkCounters& counts, runtime::ProgramHeader* program) {
  __atomic_fetch_add(&program->run_count, counts.run_count, __ATOMIC_RELAXED);
  __atomic_fetch_add(&program->run_ticks, counts.run_ticks, __ATOMIC_RELAXED);
  __atomic_fetch_add(&program->missed_count, counts.missed_count, __ATOMIC_RELAXED);
}

// The flags that stats files ask for which somebody holds.
std::uint32_t WantedStats(int folder_fd) {
  std::uint32_t flags = 0;
  for (const ObjectId object : ObjectsIn(folder_fd)) {
    if (object.kind != ObjectKind::kStats) continue;
    const UniqueFd fd(::openat(folder_fd, FileNameOf(object).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    runtime::StatsRecord record{};
    if (!fd || !runtime::IsAlive(fd.get()) || ::pread(fd.get(), &record, sizeof(record), 0) != sizeof(record)) continue;
    if (record.magic == static_cast<std::uint32_t>(runtime::FileMagic::kStats)) flags |= record.flags;
  }
  return flags & (runtime::link_flags::kCounted | runtime::link_flags::kTimed);
}

}  // namespace

void AddCounts(const runtime::LinkCounters& line, runtime::LinkCounters* sum) {
  sum->run_count += __atomic_load_n(&line.run_count, __ATOMIC_RELAXED);
  sum->run_ticks += __atomic_load_n(&line.run_ticks, __ATOMIC_RELAXED);
  sum->missed_count += __atomic_load_n(&line.missed_count, __ATOMIC_RELAXED);
}

void SumLink(runtime::LinkHeader* link, std::size_t link_size, int program_fd) {
  const MappedHeader<runtime::ProgramHeader> program(program_fd, runtime::FileMagic::kProgram);
  if (program.get() == nullptr || __atomic_exchange_n(&link->is_summed, 1U, __ATOMIC_ACQ_REL) != 0) return;
  Add(CountsOf(link, link_size), program.get());
}

void AddRuns(int program_fd, const runtime::LinkCounters& counts) {
  const MappedHeader<runtime::ProgramHeader> program(program_fd, runtime::FileMagic::kProgram);
  if (program.get() != nullptr) Add(counts, program.get());
}

void SumLink(int folder_fd, ObjectId object) {
  const UniqueFd fd = OpenWritable(folder_fd, object);
  if (!fd) return;
  const MappedHeader<runtime::LinkHeader> link(fd.get(), runtime::FileMagic::kLink);
  if (link.get() == nullptr) return;
  const UniqueFd program = OpenWritable(folder_fd, {ObjectKind::kProgram, link.get()->program_id});
  if (program) SumLink(link.get(), link.size(), program.get());
}

runtime::LinkCounters CountsOfLinks(int folder_fd, std::uint32_t program_id, std::span<const std::uint32_t> without) {
  runtime::LinkCounters sum{};
  for (const ObjectId object : ObjectsIn(folder_fd)) {
    if (object.kind != ObjectKind::kLink) continue;
    if (std::find(without.begin(), without.end(), object.id) != without.end()) continue;
    const UniqueFd fd = OpenWritable(folder_fd, object);
    if (!fd) continue;
    const MappedHeader<runtime::LinkHeader> link(fd.get(), runtime::FileMagic::kLink);
    if (link.get() == nullptr || link.get()->program_id != program_id ||
        __atomic_load_n(&link.get()->is_summed, __ATOMIC_ACQUIRE) != 0)
      continue;
    AddCounts(CountsOf(link.get(), link.size()), &sum);
  }
  return sum;
}

void ApplyStats(int folder_fd) {
  const std::uint32_t wanted = WantedStats(folder_fd);
  const RootWords root(folder_fd);
  if (root.get() != nullptr) __atomic_store_n(&root.get()->stats_flags, wanted, __ATOMIC_SEQ_CST);
  for (const ObjectId object : ObjectsIn(folder_fd)) {
    if (object.kind != ObjectKind::kLink) continue;
    const UniqueFd fd = OpenWritable(folder_fd, object);
    if (!fd) continue;
    const MappedHeader<runtime::LinkHeader> link(fd.get(), runtime::FileMagic::kLink);
    if (link.get() != nullptr) __atomic_store_n(&link.get()->flags, wanted, __ATOMIC_RELAXED);
  }
}

}  // namespace strata::userspace
