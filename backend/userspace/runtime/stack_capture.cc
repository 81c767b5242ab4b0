#include "strata/backend/userspace/runtime/stack_capture.h"

#include "guarded_read.h"

namespace strata::runtime {
namespace {

// struct pt_regs as words.
constexpr std::uint32_t kFramePointer = 4;
constexpr std::uint32_t kInstructionPointer = 16;
constexpr std::uint32_t kStackPointer = 19;
constexpr std::uint32_t kMaxFrames = 4096;
constexpr std::uint64_t kLowestAddress = 4096;

}  // namespace

std::uint32_t CaptureUserStack(Process& process, const void* pt_regs, std::uint32_t skip, std::uint64_t* frames,
                               std::uint32_t most) noexcept {
  const auto* registers = static_cast<const std::uint64_t*>(pt_regs);
  std::uint64_t address = registers[kInstructionPointer];
  std::uint64_t frame = registers[kFramePointer];
  std::uint64_t below = registers[kStackPointer];
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < kMaxFrames && count < most; ++i) {
    if (i >= skip) frames[count++] = address;
    std::uint64_t words[2];  // the caller's frame pointer, and where to return to
    if (count == most || frame < below || GuardedRead(process, words, frame, sizeof(words)) != 0) break;
    if (words[1] < kLowestAddress) break;
    below = frame + sizeof(words);
    frame = words[0];
    address = words[1];
  }
  return count;
}

}  // namespace strata::runtime
