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

// Helpers that these tests provide; the first two with the kernel's meaning.
inline constexpr std::uint32_t kMapLookup = 1;
inline constexpr std::uint32_t kProcessorId = 8;
inline constexpr std::uint32_t kLoop = 181;  // bpf_loop(count, callback, context, 0)
inline constexpr std::uint32_t kMix =
    5001;  // a value that depends on each of the five arguments and on the run's cookie

bool HelperKnown(std::uint32_t id);

// What the address of a map means here.
struct TestMap {
  runtime::ProgramMap geometry;
  std::vector<std::byte> data;
};

// An array (`cpus` of 0) or per-CPU array, values of `value_size` bytes, all zero.
TestMap MakeArray(std::uint32_t max_entries, std::uint32_t value_size, std::uint32_t cpus = 0);

struct RunSettings {
  std::int64_t budget = runtime::kRunBudget;
  std::uint32_t slot = 0;
  std::uint64_t cookie = 0;
};

struct Outcome {
  std::uint64_t result = 0;
  std::int64_t budget = 0;  // what is left
  bool operator==(const Outcome&) const = default;
};

Outcome RunInterpreted(std::span<const isa::Instruction> code, std::span<TestMap> maps, void* context,
                       const RunSettings& settings = {});

// An image, relocated into memory that may be executed.
class CompiledProgram {
 public:
  // `maps` must outlive it.
  static Result<CompiledProgram> Make(std::span<const isa::Instruction> code, std::span<TestMap> maps);
  CompiledProgram(CompiledProgram&& other) noexcept;
  CompiledProgram& operator=(CompiledProgram&&) = delete;
  ~CompiledProgram();

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

}  // namespace strata::test
