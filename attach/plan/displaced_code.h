// Writes the instructions of a window in a form that runs anywhere within reach of the site.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "decoder.h"
#include "strata/attach/engine.h"

namespace strata::attach {

// Appends to the code and fix-ups of one plan. What does not fit clears ok().
class DisplacedCode {
 public:
  explicit DisplacedCode(UprobePlan& plan) : plan_(plan) {}

  // `bytes` are the instruction's, `offset` its place in the window.
  void Append(const Instruction& instruction, std::span<const std::byte> bytes, std::size_t offset);
  bool ok() const { return ok_; }

 private:
  void Byte(std::uint8_t byte);
  void Bytes(std::span<const std::byte> bytes);
  void Relative(std::int64_t target);  // 4 bytes, counted from behind them
  void Copy(const Instruction& instruction, std::span<const std::byte> bytes, std::int64_t site_offset);
  void Loop(const Instruction& instruction, std::span<const std::byte> bytes, std::int64_t target);
  void Call(std::int64_t target, std::int64_t return_target);
  void IndirectCall(const Instruction& instruction, std::span<const std::byte> bytes, std::int64_t site_offset);
  void PushBehind(std::uint8_t distance);
  void Address(std::int64_t target);
  void AddFixup(const Fixup& fixup);

  UprobePlan& plan_;
  bool ok_ = true;
};

}  // namespace strata::attach
