#include "strata/base/log.h"

#include <memory>
#include <mutex>

namespace strata {
namespace {

std::mutex sink_mutex;
std::shared_ptr<const LogSink> sink_slot;  // guarded by sink_mutex

}  // namespace

void SetLogSink(LogSink sink) {
  auto next = sink ? std::make_shared<const LogSink>(std::move(sink)) : nullptr;
  const std::lock_guard lock(sink_mutex);
  sink_slot = std::move(next);
}

void Log(LogLevel level, std::string_view message) {
  std::shared_ptr<const LogSink> sink;
  {
    const std::lock_guard lock(sink_mutex);
    sink = sink_slot;
  }
  if (sink != nullptr) (*sink)(level, message);
}

}  // namespace strata
