#include "strata/link/perf_event.h"

#include <linux/perf_event.h>

namespace strata {
namespace {

struct EventEncoder {
  PerfEventConfig& config;

  void operator()(SoftwareEvent event) const {
    config.type = PERF_TYPE_SOFTWARE;
    config.config = static_cast<std::uint64_t>(event);
  }
  void operator()(HardwareEvent event) const {
    config.type = PERF_TYPE_HARDWARE;
    config.config = static_cast<std::uint64_t>(event);
  }
  void operator()(const CacheEvent& event) const {
    config.type = PERF_TYPE_HW_CACHE;
    config.config = static_cast<std::uint64_t>(event.cache) | static_cast<std::uint64_t>(event.operation) << 8 |
                    static_cast<std::uint64_t>(event.outcome) << 16;
  }
  void operator()(const BreakpointEvent& event) const {
    config.type = PERF_TYPE_BREAKPOINT;
    config.breakpoint_type = static_cast<std::uint32_t>(event.access);
    config.config1 = event.address;
    config.config2 = event.size_bytes;
  }
  void operator()(const RawEvent& event) const {
    config.type = event.type;
    config.config = event.config;
    config.config1 = event.config1;
    config.config2 = event.config2;
  }
};

struct SamplingEncoder {
  PerfEventConfig& config;

  void operator()(SamplePeriod period) const { config.sample = period.events; }
  void operator()(SampleFrequency frequency) const {
    config.sample = frequency.hertz;
    config.sample_is_frequency = 1;
  }
};

}  // namespace

Result<PerfEventLink> AttachPerfEvent(const Program& program, const PerfEventSpec& event,
                                      const PerfEventOptions& options) {
  PerfEventConfig config;
  config.cpu = options.cpu;
  std::visit(EventEncoder{config}, event);
  std::visit(SamplingEncoder{config}, options.sampling);
  AttachTarget target;
  target.kind = "perf_event";
  target.pid = options.tid;
  target.cookie = options.cookie;
  target.config = EncodeConfig(config);
  return PerfEventLink(STRATA_TRY(AttachToTarget(program, target)));
}

}  // namespace strata
