// Which process a handle belongs to. After fork() the child has copies of its parent's handles; when it destroys them
// it must not undo what the parent still uses. Descriptors need no such care: the kernel counts them.
#pragma once

#include <unistd.h>

namespace strata {

// A member of a handle whose destructor takes something back that no descriptor holds.
class OwnerProcess {
 public:
  OwnerProcess() : pid_(::getpid()) {}
  bool IsCaller() const { return ::getpid() == pid_; }

 private:
  pid_t pid_;
};

}  // namespace strata
