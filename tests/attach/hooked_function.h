// Hooks a place in the test's own text, counts, and keeps the registers of the last event.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <span>
#include <tuple>

#include "strata/attach/plan/uprobe_plan.h"
#include "strata/attach/uprobe/uprobe_engine.h"

namespace strata::attach {

struct Place {
  const void* function = nullptr;
  const void* end = nullptr;   // null: size unknown
  const void* site = nullptr;  // null: the function's start
};

inline Result<UprobePlan> PlanUnhooked(const Place& place, ProbeKind probe) {
  constexpr std::size_t kPadding = 32;
  const auto* begin = static_cast<const std::byte*>(place.function);
  const std::size_t size =
      place.end == nullptr ? 0 : static_cast<std::size_t>(static_cast<const std::byte*>(place.end) - begin);
  const std::size_t known = size == 0 ? 64 : size + kPadding;
  const std::size_t site =
      place.site == nullptr ? 0 : static_cast<std::size_t>(static_cast<const std::byte*>(place.site) - begin);
  return PlanUprobe({.bytes = std::span(begin, known),
                     .site = site,
                     .function_size = size,
                     .file_offset = reinterpret_cast<std::uint64_t>(begin) + site},
                    probe);
}

// Plans come from the file's bytes; here memory has to do, so what was planned before it was hooked is kept.
inline Result<UprobePlan> PlanPlace(const Place& place, ProbeKind probe) {
  static std::map<std::tuple<const void*, const void*, const void*, ProbeKind>, UprobePlan> plans;
  const auto key = std::make_tuple(place.function, place.end, place.site, probe);
  for (const ProbeKind other : {ProbeKind::kEntry, ProbeKind::kReturn}) {
    const auto other_key = std::make_tuple(place.function, place.end, place.site, other);
    if (plans.contains(other_key)) continue;
    if (const Result<UprobePlan> made = PlanUnhooked(place, other)) plans[other_key] = *made;
  }
  if (const auto known = plans.find(key); known != plans.end()) return known->second;
  return PlanUnhooked(place, probe);
}

class HookedFunction {
 public:
  HookedFunction(const Place& place, ProbeKind probe) {
    const Result<UprobePlan> plan = PlanPlace(place, probe);
    EXPECT_TRUE(plan.has_value()) << plan.error().message();
    if (!plan) return;
    request_.plan = &*plan;
    request_.address = reinterpret_cast<std::uint64_t>(place.site == nullptr ? place.function : place.site);
    request_.handler = {Run, Missed, this};
    ApplyProbes(&request_, 1);
    EXPECT_EQ(request_.error, 0) << request_.reason;
  }
  HookedFunction(const HookedFunction&) = delete;
  HookedFunction& operator=(const HookedFunction&) = delete;
  ~HookedFunction() { Remove(); }

  void Remove() {
    if (request_.probe != nullptr) RemoveProbes(&request_.probe, 1);
    request_.probe = nullptr;
    while (!WaitUntilHooksAreLeft()) {
    }
  }

  bool is_hooked() const { return request_.probe != nullptr; }
  std::uint64_t address() const { return request_.address; }
  long count() const { return count_; }
  long missed() const { return missed_; }
  const PtRegs& last() const { return last_; }
  // Called in the handler, after counting.
  void (*in_handler)(void*) = nullptr;

 private:
  static void Run(void* cookie, PtRegs* regs) {
    auto* self = static_cast<HookedFunction*>(cookie);
    self->count_.fetch_add(1, std::memory_order_relaxed);
    // Not by memcpy: a handler leaves vector registers alone.
    const void* from = regs;
    void* to = &self->last_;
    std::size_t size = sizeof(*regs);
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    if (self->in_handler != nullptr) self->in_handler(self);
  }
  static void Missed(void* cookie) {
    static_cast<HookedFunction*>(cookie)->missed_.fetch_add(1, std::memory_order_relaxed);
  }

  ProbeRequest request_;
  std::atomic<long> count_ = 0;
  std::atomic<long> missed_ = 0;
  PtRegs last_ = {};
};

}  // namespace strata::attach
