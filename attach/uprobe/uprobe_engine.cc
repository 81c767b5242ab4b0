#include "strata/attach/uprobe/uprobe_engine.h"

#include "engine_memory.h"
#include "return_table.h"
#include "site.h"
#include "text_memory.h"
#include "thread_record.h"
#include "x86_64/stub.h"
#include "x86_64/system_calls.h"

namespace strata::attach {

extern "C" void strata_uprobe_entry();

namespace {

constexpr std::size_t kBuckets = 1024;
constexpr char kOtherCode[] = "the code in memory is not that of the file; something else may have hooked it";

// The process's text is hooked once, so this is the process's one engine.
struct Engine {
  std::uint32_t lock;  // atomic: process id of who changes hooks; 0 when nobody does
  Site* sites[kBuckets];
};
constinit Engine engine = {};

// Held while hooks change. A child that was forked meanwhile takes the lock over: who held it does not exist there.
class EngineLock {
 public:
  EngineLock() {
    const auto own = static_cast<std::uint32_t>(sys::Getpid());
    for (;;) {
      std::uint32_t holder = 0;
      if (__atomic_compare_exchange_n(&engine.lock, &holder, own, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
      if (holder != own &&
          __atomic_compare_exchange_n(&engine.lock, &holder, own, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return;
      }
      sys::SchedYield();
    }
  }
  ~EngineLock() { __atomic_store_n(&engine.lock, 0U, __ATOMIC_RELEASE); }
  EngineLock(const EngineLock&) = delete;
  EngineLock& operator=(const EngineLock&) = delete;
};

Site*& BucketOf(std::uint64_t address) { return engine.sites[(address * 0x9e3779b97f4a7c15ULL) >> 54]; }
static_assert(kBuckets == 1U << (64 - 54));

Site* FindSite(std::uint64_t address) {
  for (Site* site = BucketOf(address); site != nullptr; site = site->next_in_bucket) {
    if (site->address == address) return site;
  }
  return nullptr;
}

Site* FindOrMakeSite(std::uint64_t address) {
  if (Site* site = FindSite(address)) return site;
  Site* site = MakeForEver<Site>();
  if (site == nullptr) return nullptr;
  site->address = address;
  site->called = {site, nullptr, nullptr, nullptr, 1};
  Site*& bucket = BucketOf(address);
  site->next_in_bucket = bucket;
  bucket = site;
  return site;
}

bool SameBytes(const void* left, const void* right, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    if (static_cast<const char*>(left)[i] != static_cast<const char*>(right)[i]) return false;
  }
  return true;
}

bool Refuse(ProbeRequest& request, int error, const char* reason) {
  request.error = error;
  request.reason = reason;
  return false;
}

// Plans for entry and return of one place differ in nothing that the stub is made from.
bool SamePlan(const UprobePlan& left, const UprobePlan& right) {
  return left.window_size == right.window_size && left.code_size == right.code_size &&
         left.fixup_count == right.fixup_count && left.falls_through == right.falls_through &&
         SameBytes(left.expected, right.expected, left.window_size) &&
         SameBytes(left.code, right.code, left.code_size) &&
         SameBytes(left.fixups, right.fixups, left.fixup_count * sizeof(Fixup));
}

// A function's start gets a stub that can launch it as soon as a return probe needs one; that one then serves entry
// probes as well.
StubKind WantedKind(const Site& site, const UprobePlan& plan) {
  const bool launches = plan.is_function_start != 0 && (site.live_returns != 0 || site.stub_kind == StubKind::kReturns);
  return launches ? StubKind::kReturns : StubKind::kPlain;
}

bool HasStub(const Site& site, const UprobePlan& plan) {
  return site.stub != 0 && SamePlan(site.plan, plan) && site.stub_kind == WantedKind(site, plan);
}

bool MakeStub(const TextWriter& writer, Site& site, ProbeRequest& request) {
  const UprobePlan& plan = *request.plan;
  if (HasStub(site, plan)) return true;
  std::uint8_t bytes[kMaxStub];
  std::uint64_t slot = 0;
  const StubKind kind = WantedKind(site, plan);
  const std::size_t size = StubSize(plan, kind);
  const auto entry = reinterpret_cast<std::uint64_t>(&strata_uprobe_entry);
  const std::uint64_t stub = AllocateText(writer, StubReach(plan, site.address), site.address, size, entry, &slot);
  if (stub == 0) return Refuse(request, sys::kEnomem, "no memory within a jump's reach");
  if (!BuildStub(plan, kind, site.address, &site, stub, slot, bytes)) {
    return Refuse(request, sys::kEinval, "the plan reaches too far");
  }
  const int error = writer.Write(stub, bytes, size);
  if (error != 0) return Refuse(request, error, "the trampoline's memory cannot be written");
  site.stub = stub;
  site.stub_kind = kind;
  site.plan = plan;
  return true;
}

// False also when the file was unmapped, and perhaps another one mapped there.
bool IsStillHooked(const TextWriter& writer, const Site& site) {
  std::uint8_t jump[kJumpSize];
  std::uint8_t present[kJumpSize];
  return site.is_hooked != 0 && BuildJump(site.address, site.stub + kStubEntry, jump) &&
         writer.Read(site.address, present, kJumpSize) && SameBytes(jump, present, kJumpSize);
}

bool CheckCode(const TextWriter& writer, const Site& site, ProbeRequest& request) {
  const UprobePlan& plan = *request.plan;
  if (IsStillHooked(writer, site)) {
    return SamePlan(site.plan, plan) || Refuse(request, sys::kEtxtbsy, kOtherCode);
  }
  std::uint8_t present[kMaxWindow];
  if (!writer.Read(site.address, present, plan.window_size)) {
    return Refuse(request, sys::kEinval, "no memory is mapped there");
  }
  return SameBytes(present, plan.expected, plan.window_size) || Refuse(request, sys::kEtxtbsy, kOtherCode);
}

bool Hook(const TextWriter& writer, Site& site, ProbeRequest& request) {
  if (!CheckCode(writer, site, request)) return false;
  if (IsStillHooked(writer, site) && HasStub(site, *request.plan)) return true;
  if (!MakeStub(writer, site, request)) return false;
  std::uint8_t jump[kJumpSize];
  if (!BuildJump(site.address, site.stub + kStubEntry, jump)) {
    return Refuse(request, sys::kEnomem, "the trampoline is too far away");
  }
  const int error = writer.Write(site.address, jump, kJumpSize);
  if (error != 0) return Refuse(request, error, "the code cannot be written");
  site.is_hooked = 1;
  return true;
}

void Unhook(const TextWriter& writer, Site& site) {
  if (IsStillHooked(writer, site)) writer.Write(site.address, site.plan.expected, kJumpSize);
  site.is_hooked = 0;
}

Probe** HeadOf(Site& site, ProbeKind kind) {
  return kind == ProbeKind::kEntry ? &site.entry_probes : &site.return_probes;
}

Probe* FindRemoved(Site& site, ProbeKind kind, const Handler& handler) {
  for (Probe* probe = *HeadOf(site, kind); probe != nullptr; probe = probe->next) {
    if (probe->run == nullptr && probe->last_run == handler.run && probe->missed == handler.missed) return probe;
  }
  return nullptr;
}

Probe* AddProbe(Site& site, ProbeKind kind, const Handler& handler) {
  Probe* probe = FindRemoved(site, kind, handler);
  const bool is_new = probe == nullptr;
  if (is_new) probe = MakeForEver<Probe>();
  if (probe == nullptr) return nullptr;
  probe->site = &site;
  probe->kind = kind;
  probe->last_run = handler.run;
  __atomic_store_n(&probe->missed, handler.missed, __ATOMIC_RELEASE);
  __atomic_store_n(&probe->cookie, handler.cookie, __ATOMIC_RELEASE);
  __atomic_store_n(&probe->run, handler.run, __ATOMIC_RELEASE);
  if (is_new) {
    probe->next = *HeadOf(site, kind);
    __atomic_store_n(HeadOf(site, kind), probe, __ATOMIC_RELEASE);
  }
  ++site.live_probes;
  if (kind == ProbeKind::kReturn) __atomic_store_n(&site.live_returns, site.live_returns + 1, __ATOMIC_RELEASE);
  return probe;
}

void DropProbe(Probe& probe) {
  Site& site = *probe.site;
  __atomic_store_n(&probe.run, nullptr, __ATOMIC_RELEASE);
  --site.live_probes;
  if (probe.kind == ProbeKind::kReturn) __atomic_store_n(&site.live_returns, site.live_returns - 1, __ATOMIC_RELEASE);
}

bool HasShadowStack() {
  constexpr std::uint64_t kShadowStackStatus = 0x5005;  // ARCH_SHSTK_STATUS
  std::uint64_t features = 0;
  return sys::Raw(sys::Call::kArchPrctl, kShadowStackStatus, sys::Wide(&features)) == 0 && (features & 1) != 0;
}

bool Prepare(ProbeRequest& request) {
  if (!IsWellFormed(*request.plan)) return Refuse(request, sys::kEinval, "the plan is of another version, or damaged");
  if (PrepareThreadRecords() != 0) return Refuse(request, sys::kEnomem, "no memory for threads' records");
  if (request.plan->probe != ProbeKind::kReturn) return true;
  if (HasShadowStack())
    return Refuse(request, sys::kEopnotsupp, "a return address cannot be replaced with a shadow stack");
  if (PrepareReturnTable() != 0) return Refuse(request, sys::kEnomem, "no memory for return addresses");
  return true;
}

void Apply(const TextWriter& writer, ProbeRequest& request) {
  request.probe = nullptr;
  request.error = 0;
  request.reason = nullptr;
  if (!Prepare(request)) return;
  Site* site = FindOrMakeSite(request.address);
  Probe* probe = site == nullptr ? nullptr : AddProbe(*site, request.plan->probe, request.handler);
  if (probe == nullptr) {
    Refuse(request, sys::kEnomem, "no memory");
    return;
  }
  if (Hook(writer, *site, request)) {
    request.probe = probe;
  } else {
    DropProbe(*probe);
  }
}

}  // namespace

void ApplyProbes(ProbeRequest* requests, std::size_t count) noexcept {
  if (count == 0) return;
  const EngineLock lock;
  const TextWriter writer;
  for (std::size_t i = 0; i < count; ++i) Apply(writer, requests[i]);
}

void RemoveProbes(Probe* const* probes, std::size_t count) noexcept {
  if (count == 0) return;
  const EngineLock lock;
  const TextWriter writer;
  for (std::size_t i = 0; i < count; ++i) {
    DropProbe(*probes[i]);
    if (probes[i]->site->live_probes == 0) Unhook(writer, *probes[i]->site);
  }
}

}  // namespace strata::attach
