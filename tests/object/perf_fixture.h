// A program that sends samples of this process's asking, and a thread that stays where it is.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event_targets.h"
#include "kernel_fixture.h"

namespace strata::testing {

// This thread runs on one CPU while it lives.
class OnCpu {
 public:
  explicit OnCpu(std::uint32_t cpu) {
    EXPECT_EQ(::sched_getaffinity(0, sizeof(before_), &before_), 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    EXPECT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
  }
  OnCpu(const OnCpu&) = delete;
  OnCpu& operator=(const OnCpu&) = delete;
  ~OnCpu() { ::sched_setaffinity(0, sizeof(before_), &before_); }

 private:
  cpu_set_t before_{};
};

// One that this thread may run on.
inline std::uint32_t AnyCpu() { return static_cast<std::uint32_t>(::sched_getcpu()); }

class PerfTest : public KernelTest {
 protected:
  struct Sample {
    std::uint32_t cpu;
    std::uint64_t number;
    std::size_t size;
  };

  void SetUp() override {
    KernelTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) LoadAndAttach();
  }
  void LoadAndAttach() {
    auto objects = Load(STRATA_BPF_PERF);
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
    const auto self = OpenExecutable("/proc/self/exe").value();
    probe_.emplace(self.AttachUprobe("strata_test_emit", **objects_->FindProgram("send"), {.pid = ::getpid()}).value());
  }

  const Map& samples_map() { return **objects_->FindMap("samples"); }
  Result<PerfReader> Open(PerfReaderOptions options = {}) {
    return PerfReader::Open(samples_map(), std::move(options));
  }
  static void Send(std::uint64_t count, long size = 8, long first = 0) {
    for (std::uint64_t i = 0; i < count; ++i) strata_test_emit(first + static_cast<long>(i), size);
  }
  std::uint64_t Counter(const char* name) { return *objects_->FindVariable(name)->Get<std::uint64_t>(); }
  PerfReader::OnSample Collect() {
    return [this](std::uint32_t cpu, std::span<const std::byte> sample) {
      std::uint64_t number = 0;
      std::memcpy(&number, sample.data(), sizeof(number));
      got_.push_back({cpu, number, sample.size()});
      return true;
    };
  }
  std::vector<std::uint64_t> Numbers() const {
    std::vector<std::uint64_t> numbers;
    for (const Sample& sample : got_) numbers.push_back(sample.number);
    return numbers;
  }

  std::optional<Collection> objects_;
  std::optional<Uprobe> probe_;
  std::vector<Sample> got_;
};

}  // namespace strata::testing
