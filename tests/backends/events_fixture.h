// Two rings that fill as a function of this process is called.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "fixture.h"
#include "targets.h"

namespace strata::testing {

// Another thread that does something again and again, until this goes.
class Repeat {
 public:
  template <typename Work>
  explicit Repeat(Work work)
      : thread_([this, work] {
          while (!stop_.load()) {
            work();
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
          }
        }) {}
  Repeat(const Repeat&) = delete;
  Repeat& operator=(const Repeat&) = delete;
  ~Repeat() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Sets a handler of SIGUSR1, without SA_RESTART, while it lives.
class UserSignal {
 public:
  explicit UserSignal(void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    ::sigaction(SIGUSR1, &action, &before_);
  }
  UserSignal(const UserSignal&) = delete;
  UserSignal& operator=(const UserSignal&) = delete;
  ~UserSignal() { ::sigaction(SIGUSR1, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

inline constexpr std::uint64_t kRingSize = 4096;
inline constexpr std::uint64_t kRecordSize = 16;  // a number and its header

template <typename T>
class EventsTest : public BackendTest<T> {
 protected:
  using Numbers = std::vector<std::uint64_t>;

  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_EVENTS));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
    const auto self = OpenExecutable("/proc/self/exe").value();
    probe_.emplace(self.AttachUprobe("strata_test_send", **objects_->FindProgram("send"), {.pid = ::getpid()}).value());
    evens_.emplace(RingReader::Open(**objects_->FindMap("evens")).value());
    odds_.emplace(RingReader::Open(**objects_->FindMap("odds")).value());
  }

  // Even ones, none of them given up.
  static void SendEvens(long count) {
    for (long i = 0; i < count; ++i) strata_test_send(14 * i);
  }
  static std::uint64_t NumberIn(std::span<const std::byte> record) {
    std::uint64_t number = 0;
    EXPECT_EQ(record.size(), sizeof(number));
    std::memcpy(&number, record.data(), sizeof(number));
    return number;
  }
  static auto Into(Numbers* numbers) {
    return [numbers](std::span<const std::byte> record) {
      numbers->push_back(NumberIn(record));
      return true;
    };
  }

  std::optional<Collection> objects_;
  std::optional<Uprobe> probe_;
  std::optional<RingReader> evens_;
  std::optional<RingReader> odds_;
};

}  // namespace strata::testing
