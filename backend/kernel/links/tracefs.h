// The kernel's events as tracefs names them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "context.h"
#include "strata/base/owner_process.h"

namespace strata::kernel {

// Where tracefs is mounted. kNotSupported names the command that mounts it.
Result<std::string> FindTracefs(const Context& context);

// The number of an event for perf_event_open(2). kNotFound names what does not exist, and what resembles it.
Result<std::uint64_t> ReadTracepointId(const Context& context, const std::string& category, const std::string& name);

// An event made by writing a definition (Documentation/trace/kprobetrace.rst); removed with the object, which must
// outlive the perf events of it.
class DynamicEvent {
 public:
  // `file`: "uprobe_events" or "kprobe_events". `prefix`: "p", "r", "r16"; `place`: "/usr/bin/sort:0x1234". The event
  // gets a name of its own.
  static Result<std::shared_ptr<DynamicEvent>> Create(const Context& context, std::string_view file,
                                                      std::string_view prefix, std::string_view place);
  ~DynamicEvent();
  DynamicEvent(const DynamicEvent&) = delete;
  DynamicEvent& operator=(const DynamicEvent&) = delete;

  std::uint64_t id() const { return id_; }

 private:
  DynamicEvent(std::string path, std::string name) : path_(std::move(path)), name_(std::move(name)) {}
  std::string path_;
  std::string name_;
  std::uint64_t id_ = 0;
  OwnerProcess owner_;
};

}  // namespace strata::kernel
