#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "objects.h"
#include "strata/base/owner_process.h"

namespace strata::userspace {
namespace {

using runtime::InstanceRecord;
using runtime::LinkHeader;

// How long an agent may take to answer: it reacts within a millisecond, but its process may be stopped or starved.
constexpr std::chrono::milliseconds kAgentTimeout(3000);

struct LinkTables {
  std::uint32_t path = 0;
  std::uint32_t config = 0;
  std::uint32_t plan = 0;
  std::uint32_t counters = 0;
  std::uint64_t size = 0;
};

std::uint32_t RoundUp(std::size_t value, std::size_t alignment) {
  return static_cast<std::uint32_t>((value + alignment - 1) / alignment * alignment);
}

LinkTables PlaceTables(const AttachTarget& target, std::size_t plan_size, std::uint32_t counters_count) {
  LinkTables tables;
  tables.config = RoundUp(sizeof(LinkHeader), 8);
  tables.path = RoundUp(tables.config + target.config.size(), 8);
  tables.plan = RoundUp(tables.path + target.path.size() + 1, 8);
  tables.counters = RoundUp(tables.plan + plan_size, runtime::kCacheLine);
  tables.size = tables.counters + std::uint64_t{counters_count} * sizeof(runtime::LinkCounters);
  return tables;
}

std::uint32_t StatsFlags(const Shared& shared) {
  std::uint32_t flags = 0;
  if (shared.counting.load() > 0) flags |= runtime::link_flags::kCounted;
  if (shared.timing.load() > 0) flags |= runtime::link_flags::kCounted | runtime::link_flags::kTimed;
  return flags;
}

Result<LinkHeader> MakeHeader(const Shared& shared, std::uint32_t id, const BackendProgram& program,
                              const AttachTarget& target, std::size_t plan_size, const LinkTables& tables) {
  LinkHeader header{};
  header.magic = static_cast<std::uint32_t>(runtime::FileMagic::kLink);
  header.version = runtime::kLayoutVersion;
  header.id = id;
  header.program_id = program.info().id;
  header.pid = target.pid;
  header.flags = StatsFlags(shared);
  header.cookie = target.cookie;
  header.file_size = tables.size;
  header.enabled = runtime::link_state::kEnabled;
  header.counters_count = shared.possible_cpus;
  header.counters_offset = tables.counters;
  header.config_offset = tables.config;
  header.config_size = static_cast<std::uint32_t>(target.config.size());
  header.path_offset = tables.path;
  header.path_size = static_cast<std::uint32_t>(target.path.size() + 1);
  header.plan_offset = tables.plan;
  header.plan_size = static_cast<std::uint32_t>(plan_size);
  if (!target.path.empty()) {
    struct stat status {};
    if (::stat(target.path.c_str(), &status) != 0) return Error::FromErrno(errno, target.path);
    header.file_device = status.st_dev;
    header.file_inode = status.st_ino;
  }
  std::memcpy(header.kind, target.kind.data(), std::min(target.kind.size(), sizeof(header.kind) - 1));
  return header;
}

std::vector<std::byte> MakeContents(const LinkHeader& header, const AttachTarget& target,
                                    const std::vector<std::byte>& plan) {
  std::vector<std::byte> bytes(header.file_size);
  std::memcpy(bytes.data(), &header, sizeof(header));
  if (!target.config.empty())
    std::memcpy(bytes.data() + header.config_offset, target.config.data(), target.config.size());
  std::memcpy(bytes.data() + header.path_offset, target.path.c_str(), target.path.size() + 1);
  if (!plan.empty()) std::memcpy(bytes.data() + header.plan_offset, plan.data(), plan.size());
  return bytes;
}

Result<std::vector<std::byte>> MakePlan(const Shared& shared, const BackendProgram& program,
                                        const AttachTarget& target) {
  const auto planner = shared.options.planners.find(target.kind);
  if (planner == shared.options.planners.end()) {
    return Error(ErrorCode::kNotSupported, fmt::format("attach kind {}: not on the userspace backend", target.kind));
  }
  STRATA_TRY(CheckAttachKind(target, program.info()));
  return planner->second(target);
}

Result<InstanceRecord> ReadInstance(const Session& session, const std::string& name) {
  InstanceRecord record{};
  const std::size_t size =
      STRATA_TRY(session.ReadStart(name, Session::Liveness::kAny, std::as_writable_bytes(std::span(&record, 1))));
  if (size != sizeof(record) || record.magic != static_cast<std::uint32_t>(runtime::FileMagic::kInstance) ||
      record.version != runtime::kLayoutVersion) {
    return Error(ErrorCode::kMalformed, name + ": is no instance record");
  }
  record.reason[sizeof(record.reason) - 1] = 0;
  return record;
}

std::string InstancePrefix(std::uint32_t link_id) { return fmt::format("{}{}-", runtime::kInstancePrefix, link_id); }

LinkInstance::State StateOf(runtime::InstanceState state) {
  switch (state) {
    case runtime::InstanceState::kAttached:
      return LinkInstance::State::kAttached;
    case runtime::InstanceState::kPending:
      return LinkInstance::State::kPending;
    case runtime::InstanceState::kRefused:
      break;
  }
  return LinkInstance::State::kRefused;
}

class Link : public BackendLink {
 public:
  Link(SharedPtr shared, std::shared_ptr<UserspaceProgram> program, ObjectFile file, runtime::LinkView view)
      : shared_(std::move(shared)), program_(std::move(program)), file_(std::move(file)), view_(view) {
    program_->AddLink(&view_);
  }

  ~Link() override {
    if (owner_.IsCaller()) static_cast<void>(Detach());
    program_->RemoveLink(&view_);
    runtime::UnmapLink(&view_);
  }

  std::uint32_t id() const override { return view_.header.id; }

  Result<void> Detach() override {
    if (!file_.fd) return {};
    __atomic_store_n(&view_.shared->enabled, 0U, __ATOMIC_SEQ_CST);  // runs that start from now on see it
    shared_->session->RemoveAndWake(std::move(file_));
    STRATA_TRY(shared_->ReconcileLocally(false));
    shared_->session->CollectGarbage();
    return {};
  }

  Result<void> SetEnabled(bool enabled) override {
    if (!file_.fd) return Error(ErrorCode::kInvalidArgument, fmt::format("link {}: is detached", id()), ENOENT);
    runtime::SetLinkState(view_, runtime::link_state::kEnabled, enabled);
    runtime::BeginPublish(shared_->session->process());
    runtime::EndPublish(shared_->session->process());
    return shared_->ReconcileLocally(false);
  }

  Result<std::vector<LinkInstance>> Instances() override {
    std::vector<LinkInstance> instances;
    for (const std::string& name : STRATA_TRY(shared_->session->Names(InstancePrefix(id())))) {
      const auto record = ReadInstance(*shared_->session, name);
      if (!record) continue;  // gone since, or not for us
      const auto state = StateOf(record->state);
      instances.push_back({record->pid, state, record->site_count,
                           state == LinkInstance::State::kAttached ? std::string() : std::string(record->reason)});
    }
    return instances;
  }

  // What process `pid` made of the link. kNotFound while it has not answered.
  Result<void> AnswerOf(std::int32_t pid) const {
    const auto record = ReadInstance(*shared_->session, InstancePrefix(id()) + std::to_string(pid));
    if (!record) return Error(ErrorCode::kNotFound, fmt::format("process {}: has not answered", pid));
    if (record->state == runtime::InstanceState::kAttached) return {};
    if (record->state == runtime::InstanceState::kPending)
      return Error(ErrorCode::kNotFound, fmt::format("process {}: {}", pid, record->reason));
    const int error = record->error < 0 ? -record->error : record->error;
    return Error(error == 0 ? ErrorCode::kNotSupported : ErrorCodeFromErrno(error),
                 fmt::format("process {}: {}", pid, record->reason), error);
  }

  Result<void> WaitForAnswer(std::int32_t pid) const {
    const auto deadline = std::chrono::steady_clock::now() + kAgentTimeout;
    for (;;) {
      const std::uint32_t seen = runtime::InstanceGeneration(shared_->session->process());
      Result<void> answer = AnswerOf(pid);
      if (answer || answer.error().code() != ErrorCode::kNotFound) return answer;
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left.count() <= 0 || (::kill(pid, 0) != 0 && errno == ESRCH)) break;
      // Also looked at from time to time, so that the death of the process is noticed.
      const auto interval = std::min<std::chrono::nanoseconds>(left, std::chrono::milliseconds(50));
      runtime::WaitForInstance(shared_->session->process(), seen, interval.count());
    }
    return Error(
        ErrorCode::kNotFound,
        fmt::format(
            "process {}: has no agent of session {}; start it with the environment that `strata run` gives a command",
            pid, shared_->session->folder()),
        ESRCH);
  }

 private:
  SharedPtr shared_;
  std::shared_ptr<UserspaceProgram> program_;
  ObjectFile file_;
  runtime::LinkView view_;
  OwnerProcess owner_;
};

Result<runtime::LinkView> MapOwnLink(const Session& session, std::uint32_t id) {
  runtime::LinkView view;
  runtime::Reason reason;
  const long error = runtime::MapLink(session.folder_fd(), id, &view, &reason);
  if (error != 0) return Error(ErrorCodeFromErrno(static_cast<int>(-error)), reason.text, static_cast<int>(-error));
  return view;
}

}  // namespace

Result<void> Shared::ReconcileLocally(bool is_selected) {
  const std::lock_guard lock(local_mutex);
  if (local_process == nullptr) {
    if (!is_selected) return {};
    if (!options.make_local_process)
      return Error(ErrorCode::kNotSupported, "attaching in the own process: not built into this program");
    local_process = STRATA_TRY(options.make_local_process(session->folder()));
    local_process->ServeFunctions(host_functions);
  }
  return local_process->Reconcile();
}

Result<std::unique_ptr<BackendLink>> AttachProgram(const SharedPtr& shared,
                                                   const std::shared_ptr<BackendProgram>& program,
                                                   const AttachTarget& target, const BackendAttachOptions& options) {
  auto own_program = std::dynamic_pointer_cast<UserspaceProgram>(program);
  if (own_program == nullptr || own_program->shared() != shared) {
    return Error(ErrorCode::kInvalidArgument, "the program belongs to another backend");
  }
  if (target.kind.size() >= runtime::kNameSize)
    return Error(ErrorCode::kInvalidArgument, "attach kind: the name is too long");
  const std::vector<std::byte> plan = STRATA_TRY(MakePlan(*shared, *program, target));
  Session& session = *shared->session;
  const std::uint32_t id = session.NewId();
  const std::string what = fmt::format("link {}", id);
  const LinkTables tables = PlaceTables(target, plan.size(), shared->possible_cpus);
  const LinkHeader header = STRATA_TRY(MakeHeader(*shared, id, *program, target, plan.size(), tables));
  UniqueFd fd = STRATA_TRY(session.MakeFile(tables.size, what));
  const std::vector<std::byte> contents = MakeContents(header, target, plan);
  if (::pwrite(fd.get(), contents.data(), contents.size(), 0) != static_cast<ssize_t>(contents.size())) {
    return Error::FromErrno(errno == 0 ? EIO : errno, what + ": writing its file");
  }
  ObjectFile file = STRATA_TRY(session.PublishAndWake(std::move(fd), runtime::kLinkPrefix + std::to_string(id), what));
  auto view = MapOwnLink(session, id);
  if (!view) {
    session.RemoveAndWake(std::move(file));
    return std::move(view).error();
  }
  // Read behind the publication: whoever disables the program meanwhile has seen the link, or is seen here.
  if (auto disabled = IsProgramDisabled(session, header.program_id); disabled && *disabled) {
    runtime::SetLinkState(*view, runtime::link_state::kProgramDisabled, true);
  }
  auto link = std::make_unique<Link>(shared, std::move(own_program), std::move(file), *view);
  const bool is_own = target.pid == ::getpid();
  STRATA_TRY(shared->ReconcileLocally(is_own));
  // Nobody answers for a link that rests.
  if (!runtime::IsEnabled(*view)) return std::unique_ptr<BackendLink>(std::move(link));
  if (is_own) STRATA_TRY(link->AnswerOf(target.pid));
  if (target.pid > 0 && !is_own && options.agent == AgentPolicy::kRequire) STRATA_TRY(link->WaitForAnswer(target.pid));
  return std::unique_ptr<BackendLink>(std::move(link));
}

}  // namespace strata::userspace
