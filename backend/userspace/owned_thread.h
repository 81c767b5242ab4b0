// A thread of the process that started it: a child made by fork() has none to stop.
#pragma once

#include <memory>
#include <thread>
#include <utility>

#include "strata/base/owner_process.h"

namespace strata::userspace {

// Not thread-safe. To be stopped before it is destroyed.
class OwnedThread {
 public:
  bool is_started() const { return thread_ != nullptr; }

  template <typename Run>
  void Start(Run run) {
    thread_ = std::make_unique<std::thread>(std::move(run));
  }

  // Calls `wake`, which tells the thread to end, and waits for that.
  template <typename Wake>
  void Stop(Wake wake) {
    if (thread_ == nullptr) return;
    if (!owner_.IsCaller()) {
      static_cast<void>(thread_.release());  // destroying it would end the process
      return;
    }
    wake();
    thread_->join();
    thread_.reset();
  }

 private:
  std::unique_ptr<std::thread> thread_;
  OwnerProcess owner_;
};

}  // namespace strata::userspace
