#include "strata/object/perf_reader.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <map>
#include <utility>

#include "perf_ring.h"
#include "waker.h"

namespace strata {

struct PerfReader::State {
  Map map;
  PerfReaderOptions options;
  Waker waker;
  UniqueFd epoll;
  std::map<std::uint32_t, PerfRing> rings;  // by CPU

  Result<PerfRing*> RingOf(std::uint32_t cpu) {
    const auto found = rings.find(cpu);
    if (found != rings.end()) return &found->second;
    return Error(ErrorCode::kNotFound, fmt::format("map {}: CPU {} is not read", map.name(), cpu));
  }
  Result<void> Watch(const PerfRing& ring) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = ring.cpu();
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, ring.poll_descriptor(), &event) == 0) return {};
    return Error::FromErrno(errno, fmt::format("map {}: epoll of CPU {}", map.name(), ring.cpu()));
  }
  Result<void> SetPaused(bool paused) {
    for (auto& [cpu, ring] : rings) STRATA_TRY(ring.SetPaused(paused).Context("map " + map.name()));
    return {};
  }
};

namespace {

PerfBufferOptions BufferOptions(const PerfReaderOptions& options) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  constexpr std::size_t kLargest = std::size_t{1} << 40;  // what is larger is left to the kernel to refuse
  PerfBufferOptions result;
  result.size_bytes = std::bit_ceil(std::clamp(options.size_bytes, page, kLargest));
  result.wakeup_records = std::max(options.wakeup_samples, 1U);
  result.watermark_bytes = options.watermark_bytes;
  result.overwritable = options.overwritable;
  return result;
}

// A buffer for each of `cpus` that is there. Buffers are sought by CPU number, never by place in a list: an offline CPU
// would shift all behind it.
Result<std::map<std::uint32_t, PerfRing>> OpenRings(BackendMap& map, const std::vector<std::uint32_t>& cpus,
                                                    const PerfReaderOptions& options) {
  const PerfBufferOptions buffer_options = BufferOptions(options);
  std::map<std::uint32_t, PerfRing> rings;
  for (const std::uint32_t cpu : cpus) {
    auto memory = map.PerfBuffer(cpu, buffer_options);
    if (!memory && memory.error().code() == ErrorCode::kNotFound) continue;
    rings.emplace(cpu, PerfRing(cpu, STRATA_TRY(std::move(memory)), options.overwritable));
  }
  if (rings.empty()) {
    return Error(ErrorCode::kNotFound, fmt::format("map {}: none of {} CPUs is online", map.info().name, cpus.size()));
  }
  return rings;
}

}  // namespace

PerfReader::PerfReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
PerfReader::PerfReader(PerfReader&&) noexcept = default;
PerfReader& PerfReader::operator=(PerfReader&&) noexcept = default;
PerfReader::~PerfReader() = default;

Result<PerfReader> PerfReader::Open(const Map& map, PerfReaderOptions options) {
  BackendMap& memory = *map.backend_map();
  const auto cpus = options.cpus.empty() ? STRATA_TRY(memory.PerfCpus()) : options.cpus;
  auto rings = STRATA_TRY(OpenRings(memory, cpus, options));
  auto waker = STRATA_TRY(Waker::Make());
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return Error::FromErrno(errno, fmt::format("map {}: epoll", map.name()));
  auto state = std::unique_ptr<State>(
      new State{map.Clone(), std::move(options), std::move(waker), std::move(epoll), std::move(rings)});
  for (const auto& [cpu, ring] : state->rings) STRATA_TRY(state->Watch(ring));
  return PerfReader(std::move(state));
}

Result<std::uint64_t> PerfReader::Consume(const OnSample& on_sample, std::uint64_t limit) {
  bool stopped = false;
  std::uint64_t count = 0;
  for (auto& [cpu, ring] : state_->rings) {
    if (stopped || count == limit) break;
    count += STRATA_TRY(ring.Consume({on_sample, state_->options.on_lost}, limit - count, &stopped));
  }
  return count;
}

Result<std::uint64_t> PerfReader::ConsumeCpu(std::uint32_t cpu, const OnSample& on_sample, std::uint64_t limit) {
  PerfRing* const ring = STRATA_TRY(state_->RingOf(cpu));
  bool stopped = false;
  return ring->Consume({on_sample, state_->options.on_lost}, limit, &stopped);
}

Result<std::uint64_t> PerfReader::Poll(const Deadline& deadline, const OnSample& on_sample, std::uint64_t limit) {
  std::uint64_t count = 0;
  const auto attempt = [&]() -> Result<bool> {
    count = STRATA_TRY(Consume(on_sample, limit));
    return count > 0;
  };
  STRATA_TRY(WaitFor(
      state_->waker, deadline, "perf buffers", [this] { return state_->epoll.get(); }, attempt));
  return count;
}

void PerfReader::Wake() const noexcept { state_->waker.Wake(); }

Result<void> PerfReader::Pause(std::uint32_t cpu) {
  return STRATA_TRY(state_->RingOf(cpu))
  ->SetPaused(true);
}
Result<void> PerfReader::Resume(std::uint32_t cpu) {
  return STRATA_TRY(state_->RingOf(cpu))
  ->SetPaused(false);
}
Result<void> PerfReader::PauseAll() { return state_->SetPaused(true); }
Result<void> PerfReader::ResumeAll() { return state_->SetPaused(false); }

std::vector<std::uint32_t> PerfReader::cpus() const {
  std::vector<std::uint32_t> cpus;
  for (const auto& [cpu, ring] : state_->rings) cpus.push_back(cpu);
  return cpus;
}

int PerfReader::poll_descriptor() const { return state_->epoll.get(); }
Result<int> PerfReader::PollDescriptor(std::uint32_t cpu) const {
  return STRATA_TRY(state_->RingOf(cpu))
  ->poll_descriptor();
}

std::uint64_t PerfReader::lost() const {
  std::uint64_t sum = 0;
  for (const auto& [cpu, ring] : state_->rings) sum += ring.lost();
  return sum;
}
std::uint64_t PerfReader::lost(std::uint32_t cpu) const {
  const auto found = state_->rings.find(cpu);
  return found == state_->rings.end() ? 0 : found->second.lost();
}

}  // namespace strata
