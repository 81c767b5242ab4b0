// Programs at the entry and the return of functions in executables and libraries.
#pragma once

#include "strata/link/link.h"

namespace strata {

// Made by Executable::AttachUprobe. The program gets struct pt_regs.
class [[nodiscard]] STRATA_EXPORT Uprobe : public Link {
 public:
  explicit Uprobe(Link link) : Link(std::move(link)) {}
};

// Made by Executable::AttachUretprobe.
class [[nodiscard]] STRATA_EXPORT Uretprobe : public Link {
 public:
  explicit Uretprobe(Link link) : Link(std::move(link)) {}
};

// Made by Executable::AttachUprobes.
class [[nodiscard]] STRATA_EXPORT UprobeMulti : public Link {
 public:
  explicit UprobeMulti(Link link) : Link(std::move(link)) {}
};

}  // namespace strata
