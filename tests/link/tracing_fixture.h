// Programs of tracing.bpf.c in the running kernel, and a kernel whose answers a test changes.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/perf_event.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backend/kernel/fake_syscalls.h"
#include "strata/backend/kernel/kernel_backend.h"
#include "strata/strata.h"

namespace strata::testing {

// Sees perf_event_open(2) and its ioctls too. What no function answers goes to the kernel.
class TracingSyscalls : public kernel::FakeSyscalls {
 public:
  struct Event {
    perf_event_attr attributes;
    std::string text;  // the string that config1 points to, for dynamic event sources
    pid_t pid;
    int cpu;
  };
  using kernel::FakeSyscalls::FakeSyscalls;

  std::function<std::optional<long>(const Event& event)> on_event;
  std::function<std::optional<long>(unsigned long request)> on_ioctl;
  bool config1_is_text = false;

  long PerfEventOpen(const perf_event_attr& attributes, pid_t pid, int cpu, int group,
                     unsigned long flags) const override;
  long Ioctl(int fd, unsigned long request, unsigned long argument) const override;

  std::vector<Event> Events() const;
  std::vector<unsigned long> Ioctls() const;

 private:
  mutable std::mutex events_mutex_;
  mutable std::vector<Event> events_;
  mutable std::vector<unsigned long> ioctls_;
};

// The kernel's answer to every command but one.
kernel::FakeSyscalls::Answer Refuse(kernel::Command command, long answer);

// A kernel that takes programs of these types, and every link, without looking at them. It does the rest itself.
kernel::FakeSyscalls::Answer Take(std::vector<ProgramType> types);

class LinkTracingTest : public ::testing::Test {
 protected:
  void SetUp() override;

  // With these programs only; they count what this process does.
  Collection Load(std::initializer_list<std::string> programs) { return LoadOn(backend_, programs); }
  static Collection LoadOn(const std::shared_ptr<Backend>& backend, std::initializer_list<std::string> programs);
  static Result<Collection> TryLoadOn(const std::shared_ptr<Backend>& backend,
                                      std::initializer_list<std::string> programs, LoadOptions options = {});

  std::shared_ptr<Backend> backend_;
};

// The program of a collection that was loaded.
const Program& ProgramOf(Collection& objects, std::string_view name);
std::uint64_t Read(Collection& objects, std::string_view variable);

// What LinkInfo says of the link, as the kernel tells it to whoever opens it by its id.
LinkInfo OpenedInfo(const std::shared_ptr<Backend>& backend, const Link& link);

template <typename T>
Error ErrorOf(Result<T> result) {
  if (!result) return std::move(result).error();
  return Error(ErrorCode::kInvalidArgument, "no error");
}

// Calls getppid, which nothing else in a test does.
void CallGetppid();

}  // namespace strata::testing

#define STRATA_NEEDS_TRACEFS()                                                              \
  if (::access("/sys/kernel/tracing/events", F_OK) != 0) {                                  \
    GTEST_SKIP() << "tracefs is not mounted: mount -t tracefs tracefs /sys/kernel/tracing"; \
  }                                                                                         \
  static_assert(true)
