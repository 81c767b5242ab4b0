// A link as this process serves it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/attach/engine.h"
#include "strata/attach/uprobe/uprobe_engine.h"
#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/session_view.h"

namespace strata::attach {

struct LinkState;

// One place that the link hooks: what the handler gets as cookie.
struct LinkSite {
  LinkState* link;
  std::uint64_t address;
  runtime::ProbeEvent event;
  Probe* probe;
};

inline constexpr std::size_t kMaxLinkSites = 8;  // mappings of one file in one process

// Values of LinkState::here. The bytes lie in memory that the kernel empties in a forked child, which so asks again.
inline constexpr std::uint8_t kUnknown = 0;
inline constexpr std::uint8_t kHere = 1;
inline constexpr std::uint8_t kElsewhere = 2;

enum class LinkPhase : std::uint8_t { kNew, kAttached, kPending, kRefused };

struct LinkState {
  runtime::LinkView view;
  runtime::ProgramInstance* program;  // null until it is attached, or when that was refused
  std::uint8_t* here;
  LinkPhase phase;
  bool is_wanted;  // seen in the session during the current pass
  std::size_t site_count;
  LinkSite sites[kMaxLinkSites];
  std::size_t semaphore_count;
  std::uint64_t semaphores[kMaxLinkSites];  // addresses of the USDT semaphores that count this link
  LinkState* next;
};

// The handler of links that run a program; the cookie is a LinkSite.
void RunLink(void* cookie, PtRegs* regs) noexcept;
void MissLink(void* cookie) noexcept;

}  // namespace strata::attach
