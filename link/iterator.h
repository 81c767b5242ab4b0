// Programs that the kernel calls for each of its objects of a kind, and what they write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "strata/base/unique_fd.h"
#include "strata/link/link.h"
#include "strata/object/map.h"

namespace strata {

// The elements of one map: iter/bpf_map_elem, iter/bpf_sk_storage_map.
struct IterateMap {
  const Map* map = nullptr;  // used while attaching only
};

// A part of a cgroup tree: iter/cgroup (Linux 6.1).
struct IterateCgroup {
  enum class Order : std::uint32_t { kSelf = 1, kDescendantsPreorder = 2, kDescendantsPostorder = 3, kAncestors = 4 };
  std::string path;
  Order order = Order::kDescendantsPreorder;
};

// One thread, or the threads of one process: iter/task, iter/task_file, iter/task_vma (Linux 6.1).
struct IterateThread {
  std::int32_t tid = 0;
};
struct IterateProcess {
  std::int32_t pid = 0;
};
struct IterateProcessDescriptor {
  int pidfd = -1;  // pidfd_open(2); used while attaching only
};

// Nothing: all objects of the kind.
using IterationScope =
    std::variant<std::monostate, IterateMap, IterateCgroup, IterateThread, IterateProcess, IterateProcessDescriptor>;

struct IteratorOptions {
  IterationScope scope = {};
};

// One pass over the objects. The program runs as what it writes is read. Move-only, not thread-safe.
class STRATA_EXPORT IteratorReader {
 public:
  explicit IteratorReader(UniqueFd descriptor) : descriptor_(std::move(descriptor)) {}

  // Up to buffer.size() bytes; 0 at the end.
  Result<std::size_t> Read(std::span<std::byte> buffer);
  // What is left.
  Result<std::string> ReadAll();

  int descriptor() const { return descriptor_.get(); }

 private:
  UniqueFd descriptor_;
};

// Made by AttachIterator.
class [[nodiscard]] STRATA_EXPORT Iterator : public Link {
 public:
  explicit Iterator(Link link) : Link(std::move(link)) {}

  // A pass that starts at the first object; any number of them, also at a time.
  Result<IteratorReader> Open() const;
};

// For programs of section iter (Linux 5.8).
STRATA_EXPORT Result<Iterator> AttachIterator(const Program& program, const IteratorOptions& options = {});

}  // namespace strata
