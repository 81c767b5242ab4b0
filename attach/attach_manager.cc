#include "strata/attach/attach_manager.h"

#include "link_state.h"
#include "semaphores.h"
#include "strata/attach/uprobe/module_map.h"
#include "strata/backend/userspace/runtime/fault_table.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/backend/userspace/runtime/reason.h"
#include "strata/backend/userspace/runtime/resolved_objects.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::attach {

namespace sys = runtime::sys;
using runtime::LinkView;
using runtime::Reason;

namespace {

constexpr std::size_t kPageSize = 4096;
constexpr int kProtectReadWrite = 3;
constexpr int kPrivateAnonymous = 0x22;
constexpr int kWipeOnFork = 18;       // MADV_WIPEONFORK
constexpr int kDestroyAttempts = 20;  // of 10 ms each
constexpr int kEnoent = 2;
constexpr int kEnomem = 12;
constexpr int kEinval = 22;
constexpr int kEopnotsupp = 95;

// The kinds that this process serves. Each handler gets a LinkSite as cookie.
struct KindRow {
  const char* name;
  Handler handler;
};

constexpr KindRow kKinds[] = {
    {"uprobe", {RunLink, MissLink, nullptr}},
    {"uretprobe", {RunLink, MissLink, nullptr}},
};

// One byte per link, in pages that the kernel empties in a forked child.
struct HerePage {
  HerePage* next;
  std::uint8_t* bytes;
  std::size_t used;
};

// Sites that are hooked together. A link's sites are never spread over two batches.
struct Batch {
  static constexpr std::size_t kCapacity = 64;
  std::size_t count;
  LinkSite* sites[kCapacity];
  UprobePlan plans[kCapacity];
  ProbeRequest requests[kCapacity];
};
static_assert(Batch::kCapacity >= kMaxLinkSites);

bool TextEquals(const char* left, const char* right) {
  for (; *left == *right; ++left, ++right) {
    if (*left == '\0') return true;
  }
  return false;
}

template <std::size_t kSize>
void CopyText(char (&to)[kSize], const char* from) {
  std::size_t i = 0;
  for (; i + 1 < kSize && from[i] != '\0'; ++i) to[i] = from[i];
  to[i] = '\0';
}

}  // namespace

struct AttachManager::State {
  runtime::Process* process;
  std::uint32_t lock;  // atomic: process id of who reconciles; 0 when nobody does
  LinkState* links;
  LinkState* retired;  // detached, but a thread may still be in their programs
  HerePage* here_pages;
  LinkState* free_links;  // to be used again, with their byte

  // --- the passes of one Reconcile ---
  int Reconcile();
  static long VisitLink(std::uint32_t id, void* argument);
  void Consider(std::uint32_t id);
  void AttachWanted();
  bool AttachProgram(LinkState& link);
  bool PlaceSites(LinkState& link, const ModuleMap& modules, Batch& batch);
  void HookSites(Batch& batch);
  void LowerUnwantedSemaphores();
  void DetachUnwanted();
  void FreeRetired();

  // --- parts of them ---
  LinkState* FindLink(std::uint32_t id) const;
  LinkState* MakeLink(const LinkView& view);
  LinkState* TakeLink();
  std::uint8_t* TakeHereByte();
  void RemoveSites(LinkState& link);
  void Answer(LinkState& link, LinkPhase phase, int error, const char* text);
  bool Refuse(LinkState& link, int error, const char* text);
  void FreeLink(LinkState* link);

  // Valid during a Reconcile.
  int folder;
  std::int32_t pid;
};

namespace {

// As the engine's lock: a forked child takes it over from a parent's thread that held it.
class ManagerLock {
 public:
  explicit ManagerLock(std::uint32_t& word) : word_(word) {
    const std::uint32_t own = sys::Getpid();
    for (;;) {
      std::uint32_t holder = 0;
      if (Take(holder, own) || (holder != own && Take(holder, own))) return;
      sys::SchedYield();
    }
  }
  ~ManagerLock() { __atomic_store_n(&word_, 0U, __ATOMIC_RELEASE); }
  ManagerLock(const ManagerLock&) = delete;
  ManagerLock& operator=(const ManagerLock&) = delete;

 private:
  bool Take(std::uint32_t& expected, std::uint32_t own) {
    return __atomic_compare_exchange_n(&word_, &expected, own, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
  }
  std::uint32_t& word_;
};

const KindRow* FindKind(const char* name) {
  for (const KindRow& row : kKinds) {
    if (TextEquals(row.name, name)) return &row;
  }
  return nullptr;
}

bool Selects(const LinkView& view, std::int32_t pid) { return view.header.pid < 0 || view.header.pid == pid; }

// A private copy: whoever wrote the file could change it between check and use.
bool CopyPlan(const LinkView& view, UprobePlan* plan) {
  if (view.plan == nullptr || view.header.plan_size != sizeof(*plan)) return false;
  __builtin_memcpy(plan, view.plan, sizeof(*plan));
  return IsWellFormed(*plan);
}

}  // namespace

LinkState* AttachManager::State::FindLink(std::uint32_t id) const {
  for (LinkState* link = links; link != nullptr; link = link->next) {
    if (link->view.header.id == id) return link;
  }
  return nullptr;
}

std::uint8_t* AttachManager::State::TakeHereByte() {
  if (here_pages == nullptr || here_pages->used == kPageSize) {
    auto* page = static_cast<HerePage*>(runtime::Allocate(*process, sizeof(HerePage)));
    const long mapped = sys::Mmap(nullptr, kPageSize, kProtectReadWrite, kPrivateAnonymous);
    if (page == nullptr || sys::IsError(mapped)) return nullptr;
    page->bytes = reinterpret_cast<std::uint8_t*>(mapped);
    page->next = here_pages;
    sys::Madvise(page->bytes, kPageSize, kWipeOnFork);
    here_pages = page;
  }
  return here_pages->bytes + here_pages->used++;
}

LinkState* AttachManager::State::TakeLink() {
  if (LinkState* link = free_links; link != nullptr) {
    free_links = link->next;
    std::uint8_t* here = link->here;
    *link = {};
    *here = kUnknown;
    link->here = here;
    return link;
  }
  auto* link = static_cast<LinkState*>(runtime::Allocate(*process, sizeof(LinkState)));
  if (link == nullptr) return nullptr;
  link->here = TakeHereByte();
  return link->here == nullptr ? nullptr : link;
}

LinkState* AttachManager::State::MakeLink(const LinkView& view) {
  LinkState* link = TakeLink();
  if (link == nullptr) return nullptr;
  link->view = view;
  link->next = links;
  links = link;
  return link;
}

void AttachManager::State::FreeLink(LinkState* link) {
  if (link->program != nullptr) runtime::ReleaseProgram(link->program);
  runtime::UnmapLink(&link->view);
  link->next = free_links;
  free_links = link;
}

// Whoever waits for an answer waits for that of one process: links for all processes only tell where they were refused,
// else each short command would leave a file per link.
void AttachManager::State::Answer(LinkState& link, LinkPhase phase, int error, const char* text) {
  link.phase = phase;
  if (link.view.header.pid < 0 && phase != LinkPhase::kRefused) return;
  runtime::InstanceRecord record = {};
  record.link_id = link.view.header.id;
  record.pid = pid;
  record.state = phase == LinkPhase::kAttached  ? runtime::InstanceState::kAttached
                 : phase == LinkPhase::kPending ? runtime::InstanceState::kPending
                                                : runtime::InstanceState::kRefused;
  record.error = error;
  record.site_count = link.site_count;
  CopyText(record.reason, text);
  runtime::WriteInstance(*process, folder, record);
}

bool AttachManager::State::Refuse(LinkState& link, int error, const char* text) {
  Answer(link, LinkPhase::kRefused, error, text);
  return false;
}

bool AttachManager::State::AttachProgram(LinkState& link) {
  if (link.program != nullptr) return true;
  Reason reason;
  const long error = runtime::InstantiateProgram(*process, folder, link.view.header.program_id, &link.program, &reason);
  return error == 0 || Refuse(link, static_cast<int>(-error), reason.text);
}

// Finds where the link's file is mapped and adds those places to the batch.
bool AttachManager::State::PlaceSites(LinkState& link, const ModuleMap& modules, Batch& batch) {
  UprobePlan plan;
  const KindRow* kind = FindKind(link.view.header.kind);
  if (kind == nullptr) return Refuse(link, kEopnotsupp, "this kind of link is not served here");
  if (!CopyPlan(link.view, &plan)) return Refuse(link, kEinval, "the link has no plan that this version understands");
  const FilePlace place = {link.view.header.file_device, link.view.header.file_inode, link.view.path, plan.file_offset};
  std::uint64_t addresses[kMaxLinkSites];
  const std::size_t found = modules.Find(place, addresses, kMaxLinkSites);
  if (found > kMaxLinkSites) return Refuse(link, kEopnotsupp, "the file is mapped here more often than can be hooked");
  if (found == 0) {
    Answer(link, LinkPhase::kPending, 0, "the file is not mapped in this process");
    return false;
  }
  if (!AttachProgram(link)) return false;
  const bool overrides = (link.program->flags & runtime::program_flags::kOverridesReturn) != 0;
  const auto event = plan.probe == ProbeKind::kEntry ? runtime::ProbeEvent::kEntry : runtime::ProbeEvent::kReturn;
  if (overrides && (plan.probe != ProbeKind::kEntry || plan.is_function_start == 0))
    return Refuse(link, kEinval, "the program overrides what a function returns: only where a function starts");
  if (!FindSemaphores(link, modules))
    return Refuse(link, kEopnotsupp, "the probe's semaphore is not mapped here as data of the process's own");
  if (batch.count + found > Batch::kCapacity) HookSites(batch);
  link.site_count = found;
  // Decided here, and not at the first event, which may be one of a vfork child.
  *link.here = kHere;
  for (std::size_t i = 0; i < found; ++i, ++batch.count) {
    link.sites[i] = {&link, addresses[i], event, nullptr};
    batch.sites[batch.count] = &link.sites[i];
    batch.plans[batch.count] = plan;
    batch.requests[batch.count] = {
        .plan = &batch.plans[batch.count], .address = addresses[i], .handler = kind->handler};
    batch.requests[batch.count].handler.cookie = &link.sites[i];
  }
  return true;
}

void AttachManager::State::HookSites(Batch& batch) {
  ApplyProbes(batch.requests, batch.count);
  for (std::size_t i = 0; i < batch.count; ++i) batch.sites[i]->probe = batch.requests[i].probe;
  for (std::size_t i = 0; i < batch.count; ++i) {
    LinkState& link = *batch.sites[i]->link;
    if (batch.requests[i].probe == nullptr && link.phase != LinkPhase::kRefused) {
      RemoveSites(link);
      Refuse(link, batch.requests[i].error, batch.requests[i].reason);
    }
  }
  for (std::size_t i = 0; i < batch.count; ++i) {
    LinkState& link = *batch.sites[i]->link;
    if (link.phase == LinkPhase::kRefused || link.phase == LinkPhase::kAttached) continue;
    if (const int error = RaiseSemaphores(link); error != 0) {
      RemoveSites(link);
      Refuse(link, error, "the probe's semaphore cannot be written");
    } else {
      Answer(link, LinkPhase::kAttached, 0, "");
    }
  }
  batch.count = 0;
}

void AttachManager::State::AttachWanted() {
  const auto is_open = [](const LinkState& link) {
    return link.is_wanted && (link.phase == LinkPhase::kNew || link.phase == LinkPhase::kPending);
  };
  LinkState* link = links;
  while (link != nullptr && !is_open(*link)) link = link->next;
  if (link == nullptr) return;
  const ModuleMap modules;
  const long mapped = sys::Mmap(nullptr, sizeof(Batch), kProtectReadWrite, kPrivateAnonymous);
  if (sys::IsError(mapped)) return;
  auto* batch = reinterpret_cast<Batch*>(mapped);
  for (; link != nullptr; link = link->next) {
    if (is_open(*link)) PlaceSites(*link, modules, *batch);
  }
  HookSites(*batch);
  sys::Munmap(batch, sizeof(Batch));
}

// Is the link new here, or still there and held by somebody?
void AttachManager::State::Consider(std::uint32_t id) {
  LinkView view;
  if (runtime::MapLink(folder, id, &view, nullptr) != 0) return;
  const bool is_enabled = runtime::IsEnabled(view);
  LinkState* link = FindLink(id);
  if (link == nullptr && is_enabled && Selects(view, pid)) {
    link = MakeLink(view);
    if (link == nullptr) runtime::UnmapLink(&view);
  } else {
    runtime::UnmapLink(&view);
  }
  if (link != nullptr) link->is_wanted = is_enabled;
}

long AttachManager::State::VisitLink(std::uint32_t id, void* argument) {
  static_cast<State*>(argument)->Consider(id);
  return 0;
}

void AttachManager::State::RemoveSites(LinkState& link) {
  Probe* probes[kMaxLinkSites];
  std::size_t count = 0;
  for (std::size_t i = 0; i < link.site_count; ++i) {
    if (link.sites[i].probe != nullptr) probes[count++] = link.sites[i].probe;
  }
  RemoveProbes(probes, count);
  link.site_count = 0;
  link.semaphore_count = 0;  // not raised yet, or lowered already
}

void AttachManager::State::LowerUnwantedSemaphores() {
  const auto is_raised = [](const LinkState& link) { return !link.is_wanted && link.semaphore_count != 0; };
  LinkState* link = links;
  while (link != nullptr && !is_raised(*link)) link = link->next;
  if (link == nullptr) return;
  const ModuleMap modules;
  for (; link != nullptr; link = link->next) {
    if (is_raised(*link)) LowerSemaphores(*link, modules);
  }
}

void AttachManager::State::DetachUnwanted() {
  LowerUnwantedSemaphores();
  for (LinkState** at = &links; *at != nullptr;) {
    LinkState* link = *at;
    if (link->is_wanted) {
      at = &link->next;
      continue;
    }
    RemoveSites(*link);
    if (folder >= 0) runtime::RemoveInstance(*process, folder, link->view.header.id, pid);
    *at = link->next;
    link->next = retired;
    retired = link;
  }
}

void AttachManager::State::FreeRetired() {
  if (retired == nullptr && !runtime::HasManyResolved(*process)) return;
  runtime::ForgetResolved(*process);
  if (!WaitUntilHooksAreLeft()) return;
  runtime::ReleaseForgotten(*process);
  while (retired != nullptr) {
    LinkState* link = retired;
    retired = link->next;
    FreeLink(link);
  }
}

int AttachManager::State::Reconcile() {
  pid = static_cast<std::int32_t>(sys::Getpid());
  folder = runtime::OpenSessionFolder(process->session_path, nullptr);
  for (LinkState* link = links; link != nullptr; link = link->next) link->is_wanted = false;
  if (folder >= 0) {
    runtime::ForEachObject(folder, runtime::kLinkPrefix, VisitLink, this);
    AttachWanted();
  }
  // A session whose folder is gone has no links.
  if (folder >= 0 || folder == -kEnoent) DetachUnwanted();
  if (folder >= 0) runtime::CloseDescriptor(folder);
  FreeRetired();
  return folder < 0 ? -folder : 0;
}

AttachManager* AttachManager::Create(const char* session_folder, int* error, FaultSignals fault_signals) noexcept {
  runtime::Process* process = nullptr;
  long opened = runtime::OpenProcess(session_folder, &process, nullptr);
  if (opened == 0 && fault_signals == FaultSignals::kManager) {
    opened = runtime::UseFaultTable(*process);
    if (opened != 0) runtime::CloseProcess(process);
  }
  *error = static_cast<int>(-opened);
  if (opened != 0) return nullptr;
  if (fault_signals == FaultSignals::kFiles) runtime::GuardFiles(*process);
  auto* state = static_cast<State*>(runtime::Allocate(process->arena, sizeof(State)));
  if (state == nullptr) {
    *error = kEnomem;
    runtime::CloseProcess(process);
    return nullptr;
  }
  state->process = process;
  return reinterpret_cast<AttachManager*>(state);
}

void AttachManager::Destroy(AttachManager* manager) noexcept {
  if (manager == nullptr) return;
  auto* state = reinterpret_cast<State*>(manager);
  runtime::Process* process = state->process;
  {
    const ManagerLock lock(state->lock);
    state->pid = static_cast<std::int32_t>(sys::Getpid());
    state->folder = runtime::OpenSessionFolder(process->session_path, nullptr);
    for (LinkState* link = state->links; link != nullptr; link = link->next) link->is_wanted = false;
    state->DetachUnwanted();
    if (state->folder >= 0) runtime::CloseDescriptor(state->folder);
    for (int i = 0; i < kDestroyAttempts && state->retired != nullptr; ++i) state->FreeRetired();
    // A thread that was stopped inside of a program keeps its memory.
    if (state->retired != nullptr) return;
    for (HerePage* page = state->here_pages; page != nullptr; page = page->next) sys::Munmap(page->bytes, kPageSize);
  }
  runtime::CloseProcess(process);
}

void AttachManager::ServeFunctions(const runtime::HostFunctions& functions) noexcept {
  auto* state = reinterpret_cast<State*>(this);
  const ManagerLock lock(state->lock);
  state->process->host_functions = &functions;
}

int AttachManager::Reconcile() noexcept {
  auto* state = reinterpret_cast<State*>(this);
  const ManagerLock lock(state->lock);
  return state->Reconcile();
}

}  // namespace strata::attach
