// What the translator must know before it writes the first byte: which registers a function saves, where jumps lead,
// which map look-ups need no call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "strata/backend/userspace/compile/compiler.h"
#include "strata/backend/userspace/verifier/functions.h"
#include "strata/base/result.h"
#include "strata/isa/instruction.h"

namespace strata::compile {

struct ScannedFunction {
  verifier::FunctionFacts facts;
  std::uint16_t written = 0;                // bit i: writes Ri
  std::uint16_t written_often = 0;          // ... in more than one place
  bool uses_frame = false;                  // reads R10
  bool calls = false;                       // helpers or functions, not counting what is done inline
  bool spends_budget = false;               // has backward jumps or calls functions
  std::vector<std::uint32_t> callees = {};  // first instructions of the functions that it calls
  bool may_tail_call = false;               // in itself or in a function that it calls
};

// An index that an access to a map names, as far as the block tells. Where the place in the frame is told, the register
// of its address is not set.
struct KnownIndex {
  std::optional<std::uint32_t> constant;
  std::optional<std::uint32_t> most;         // where it is no constant
  std::optional<std::int32_t> frame_offset;  // of its place in the frame, to R10
};

// bpf_map_lookup_elem on an array whose geometry is known: done without a call.
struct InlineLookup {
  std::uint32_t call;  // instruction
  std::uint32_t map;   // position in the map table
  KnownIndex key;
};

// A helper on a map that is known: the map's own function is called instead.
struct DirectCall {
  std::uint32_t call;  // instruction
  std::uint32_t map;   // position in the map table
  runtime::MapOperation operation;
};

// A prog array or array of maps that is known: objects that the process has met there are found without a call. Only
// where that is not enough are the registers that name the map and a known index set.
struct KnownPlace {
  std::uint32_t call;  // instruction
  std::uint32_t map;   // position in the map table
  KnownIndex index;
};

namespace scan_flags {
inline constexpr std::uint8_t kTarget = 1;  // a jump leads here
inline constexpr std::uint8_t kSkip = 2;    // nobody reads its result
}  // namespace scan_flags

struct ProgramScan {
  std::vector<ScannedFunction> functions;
  std::vector<std::uint8_t> flags;       // scan_flags by slot
  std::vector<InlineLookup> lookups;     // by call
  std::vector<DirectCall> direct_calls;  // by call
  std::vector<KnownPlace> tail_calls;
  std::vector<KnownPlace> map_lookups;  // in arrays of maps
  bool has_callbacks = false;
  bool calls = false;           // some function calls
  bool uses_run = false;        // some code reads the RunContext
  bool unwinds_frames = false;  // a run may end inside of a function that another one called
};

inline bool IsGuardedLoad(const CompileInput& input, std::uint32_t at) {
  return at < input.guarded_loads.size() && input.guarded_loads[at] != 0;
}
inline bool IsArenaAccess(const CompileInput& input, std::uint32_t at) {
  return at < input.arena_accesses.size() && input.arena_accesses[at] != 0;
}

// kNotSupported for what this tier does not translate, kVerifierRejected for code that the structural check refuses.
Result<ProgramScan> ScanProgram(const CompileInput& input);

}  // namespace strata::compile
