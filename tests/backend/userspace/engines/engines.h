// Runs one program in the interpreter and as compiled code, with maps and helpers made for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "strata/backend/userspace/compile/compiler.h"
#include "strata/backend/userspace/runtime/run_context.h"
#include "strata/base/result.h"
#include "strata/isa/builder.h"

namespace strata::test {

// Helpers that these tests provide; all but the last with the kernel's meaning. Runs without a slot get number 0 from
// the runtime's kLeaseSlotHelper, and none where their cookie is kNoSlotCookie.
inline constexpr std::uint64_t kNoSlotCookie = 0x5107;
inline constexpr std::uint32_t kMapLookup = 1;
inline constexpr std::uint32_t kProcessorId = 8;
inline constexpr std::uint32_t kTailCall = 12;  // of a program that runs in a group
inline constexpr std::uint32_t kLoop = 181;     // bpf_loop(count, callback, context, 0)
inline constexpr std::uint32_t kMix =
    5001;  // a value that depends on each of the five arguments and on the run's cookie

bool HelperKnown(std::uint32_t id);

// What stands for a runtime::ProgramInstance: a program that may be called.
struct TailTarget {
  runtime::ImageEntry entry;
  runtime::TailEntry tail_entry;  // null where only the interpreter calls
  const void* engine_state;       // the interpreter's program; null for images
};
static_assert(offsetof(TailTarget, entry) == runtime::kProgramEntryOffset &&
              offsetof(TailTarget, tail_entry) == runtime::kProgramTailEntryOffset);

// What the address of a map means here.
struct TestMap {
  runtime::ProgramMap geometry;
  std::vector<std::byte> data;               // of a prog array with what is known of its targets, as in a process
  std::span<const TailTarget> targets = {};  // of a prog array: those that its numbers mean, from 1 on
};

// An array (`cpus` of 0) or per-CPU array, values of `value_size` bytes, all zero.
TestMap MakeArray(std::uint32_t max_entries, std::uint32_t value_size, std::uint32_t cpus = 0);

// A prog array: the place of each program in its group, from 1 on; 0 for none.
TestMap MakeProgArray(std::span<const std::uint32_t> programs);

struct RunSettings {
  std::int64_t budget = runtime::kRunBudget;
  std::uint32_t slot = 0;
  std::uint64_t cookie = 0;
};

struct Outcome {
  std::uint64_t result = 0;
  std::int64_t budget = 0;  // what is left
  std::uint32_t tail_calls = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome RunInterpreted(std::span<const isa::Instruction> code, std::span<TestMap> maps, void* context,
                       const RunSettings& settings = {});

// Whether a program is compiled as one whose runs have a slot.
enum class SlotUse : std::uint8_t { kNone, kDeclared };

// An image, relocated into memory that may be executed.
class CompiledProgram {
 public:
  // `maps` must outlive it.
  static Result<CompiledProgram> Make(std::span<const isa::Instruction> code, std::span<TestMap> maps,
                                      SlotUse slot_use = SlotUse::kNone);
  CompiledProgram(CompiledProgram&& other) noexcept;
  CompiledProgram& operator=(CompiledProgram&&) = delete;
  ~CompiledProgram();

  // Of one that needs no callbacks.
  runtime::ImageEntry entry() const { return reinterpret_cast<runtime::ImageEntry>(memory_ + image_.entry_offset); }
  runtime::TailEntry tail_entry() const {
    return reinterpret_cast<runtime::TailEntry>(memory_ + image_.tail_entry_offset);
  }

  // Aborts when the code does not keep the registers that belong to its caller.
  Outcome Run(void* context, const RunSettings& settings = {}) const;
  const compile::CompiledImage& image() const { return image_; }

 private:
  CompiledProgram(compile::CompiledImage image, std::byte* memory, std::size_t size)
      : image_(std::move(image)), memory_(memory), size_(size) {}
  compile::CompiledImage image_;
  std::byte* memory_;
  std::size_t size_;
};

// Programs that may call one another through the prog arrays among `maps`. The first one runs.
Outcome RunGroupInterpreted(std::span<const std::vector<isa::Instruction>> programs, std::span<TestMap> maps,
                            void* context, const RunSettings& settings);
Outcome RunGroup(std::span<const CompiledProgram> programs, std::span<TestMap> maps, void* context,
                 const RunSettings& settings);

}  // namespace strata::test
