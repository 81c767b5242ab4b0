#include <asm/errno.h>

#include "functions.h"

namespace strata::runtime {
namespace {

// struct bpf_iter_num, on a program's stack (kernel/bpf/bpf_iter.c).
struct NumberIterator {
  std::int32_t current;
  std::int32_t end;
};

constexpr std::int64_t kMaxLoops = 8 << 20;  // BPF_MAX_LOOPS

}  // namespace

STRATA_HELPER(FunctionIterNumNew) {
  auto& iterator = *PointerFrom<NumberIterator>(r1);
  const auto start = static_cast<std::int32_t>(r2);
  const auto end = static_cast<std::int32_t>(r3);
  iterator = {};
  if (start > end) return Status(-EINVAL);
  if (std::int64_t{end} - start > kMaxLoops) return Status(-E2BIG);
  // One before the start, which wraps around at the smallest number.
  iterator.current = static_cast<std::int32_t>(static_cast<std::uint32_t>(start) - 1);
  iterator.end = end;
  return 0;
}

STRATA_HELPER(FunctionIterNumNext) {
  auto& iterator = *PointerFrom<NumberIterator>(r1);
  const auto next = static_cast<std::int32_t>(static_cast<std::uint32_t>(iterator.current) + 1);
  if (next >= iterator.end) {
    iterator = {};
    return 0;
  }
  iterator.current = next;
  return reinterpret_cast<std::uint64_t>(&iterator.current);
}

STRATA_HELPER(FunctionIterNumDestroy) {
  *PointerFrom<NumberIterator>(r1) = {};
  return 0;
}

}  // namespace strata::runtime
