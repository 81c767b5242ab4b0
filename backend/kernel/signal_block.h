// The profiler's signal, waiting while a long call into the kernel would be interrupted by it again and again.
#pragma once

#include <pthread.h>

#include <csignal>

namespace strata::kernel {

// Of the calling thread, while it lives.
class ProfilerSignalBlocked {
 public:
  ProfilerSignalBlocked() {
    sigset_t blocked;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGPROF);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }
  ~ProfilerSignalBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  ProfilerSignalBlocked(const ProfilerSignalBlocked&) = delete;
  ProfilerSignalBlocked& operator=(const ProfilerSignalBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace strata::kernel
