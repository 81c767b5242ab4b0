// A hooked place.
#pragma once

#include <cstddef>
#include <cstdint>

#include "return_table.h"
#include "strata/attach/engine.h"
#include "x86_64/stub.h"

namespace strata::attach {

struct Site;

// A handler at a site. Never freed: a node that was removed serves again for the same functions, so that a thread which
// reads it meanwhile finds a cookie that belongs to the function it found.
struct Probe {
  void (*run)(void* cookie, PtRegs* regs);  // atomic; null: removed
  void (*missed)(void* cookie);
  void* cookie;  // atomic
  // Once the probe is removed these keep what `run` and `missed` were.
  void (*last_run)(void* cookie, PtRegs* regs);
  Probe* next;  // atomic
  Site* site;
  ProbeKind kind;
};

// Never freed either: stubs and return nodes hold its address.
struct Site {
  std::uint64_t address;
  Probe* entry_probes;         // atomic head
  Probe* return_probes;        // atomic head
  std::uint32_t live_returns;  // atomic: return probes that are not removed
  std::uint32_t live_probes;   // of both kinds
  ReturnNode called;           // of this function when it was called
  std::uint64_t stub;          // where the jump goes to; 0 before the first hook
  StubKind stub_kind;
  std::uint8_t is_hooked;
  Site* next_in_bucket;
  UprobePlan plan;  // what `stub` was made from
};

}  // namespace strata::attach
