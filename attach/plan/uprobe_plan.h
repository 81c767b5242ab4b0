// The loader's side of hooking: from bytes on disk to a plan that an engine without a decoder can apply.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "strata/attach/engine.h"
#include "strata/base/result.h"

namespace strata::attach {

// What is known about the bytes around a site.
struct SiteCode {
  std::span<const std::byte> bytes;  // machine code that holds the site; of the whole function where it is known
  std::size_t site = 0;              // the site's offset in `bytes`
  // `bytes` starts with a function of that many bytes, and what follows belongs to no other symbol; 0: no function is
  // known here.
  std::size_t function_size = 0;
  std::uint64_t file_offset = 0;              // of the site, in bytes from the file's start
  std::span<const std::size_t> entries = {};  // offsets in `bytes` that are known to be jumped to from elsewhere
};

// Decodes the instructions at the site until they cover a jump, and writes them in a form that runs elsewhere.
//
// kNotSupported, saying why, where no such window exists: an instruction that cannot be moved, a known branch into the
// window, a function shorter than it. kInvalidArgument for a site outside its code or between two instructions of its
// function; kMalformed for bytes that are no x86-64 code. With an unknown function, branches into the window are not
// seen. Pure.
Result<UprobePlan> PlanUprobe(const SiteCode& code, ProbeKind probe);

// Plans for the places of one file, whose symbols are read once. Move-only. Const members may be called from any
// thread.
class UprobePlanner {
 public:
  // `path` is an executable or library of x86-64. Errors: those of elf::Image; kNotSupported for another machine.
  static Result<UprobePlanner> Open(const std::string& path);

  UprobePlanner(UprobePlanner&&) noexcept;
  UprobePlanner& operator=(UprobePlanner&&) noexcept;
  ~UprobePlanner();

  // Where the symbols do not tell the function, the whole segment is searched for branches into the window. Errors:
  // those of PlanUprobe, naming path and symbol; kInvalidArgument for an offset in no executable segment.
  Result<UprobePlan> Plan(std::uint64_t file_offset, ProbeKind probe) const;

 private:
  struct State;
  explicit UprobePlanner(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace strata::attach
