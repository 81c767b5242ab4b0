#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "folder.h"
#include "link_stats.h"
#include "objects.h"
#include "pins.h"
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

Result<LinkHeader> MakeHeader(const Shared& shared, std::uint32_t id, const BackendProgram& program,
                              const AttachTarget& target, std::size_t plan_size, const LinkTables& tables) {
  LinkHeader header{};
  header.magic = static_cast<std::uint32_t>(runtime::FileMagic::kLink);
  header.version = runtime::kLayoutVersion;
  header.id = id;
  header.program_id = program.info().id;
  header.pid = target.pid;
  header.flags = StatsFlags(*shared.session);
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
  const UniqueFd folder = OpenInstanceFolder(session.folder_fd());
  const UniqueFd fd(::openat(folder.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return Error::FromErrno(errno, name);
  const ssize_t size = ::pread(fd.get(), &record, sizeof(record), 0);
  if (size != static_cast<ssize_t>(sizeof(record)) ||
      record.magic != static_cast<std::uint32_t>(runtime::FileMagic::kInstance) ||
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
  // `program` is null for a link that was opened.
  Link(SharedPtr shared, std::shared_ptr<UserspaceProgram> program, ObjectFile file, runtime::LinkView view)
      : shared_(std::move(shared)), program_(std::move(program)), file_(std::move(file)), view_(view) {
    if (program_ != nullptr) program_->AddLink(&view_);
  }

  ~Link() override {
    if (owner_.IsCaller()) Close();
    const bool is_gone = is_gone_ || (file_.fd && IsGone());
    if (program_ != nullptr) {
      program_->RemoveLink(&view_, is_gone ? UserspaceProgram::LinkFate::kGone : UserspaceProgram::LinkFate::kStays);
    }
    runtime::UnmapLink(&view_);
  }

  std::uint32_t id() const override { return view_.header.id; }

  Result<void> Detach() override {
    if (!file_.fd || is_gone_) return {};
    STRATA_TRY(CheckIsWritable());
    Disable();
    if (program_ == nullptr) SumLink(session().folder_fd(), {ObjectKind::kLink, id()});
    return Remove();
  }

  Result<void> SetEnabled(bool enabled) override {
    STRATA_TRY(CheckIsAttached());
    STRATA_TRY(CheckIsWritable());
    runtime::SetLinkState(view_, runtime::link_state::kEnabled, enabled);
    runtime::BeginPublish(session().process());
    runtime::EndPublish(session().process());
    return shared_->ReconcileLocally(false);
  }

  Result<LinkInfo> Info() override {
    STRATA_TRY(CheckIsAttached());
    return MakeLinkInfo({reinterpret_cast<const std::byte*>(view_.shared), view_.size_bytes}, id());
  }

  Result<void> Pin(const std::string& path) override {
    STRATA_TRY(CheckIsAttached());
    return PinObject(session(), file_.fd.get(), path, fmt::format("link {}", id()));
  }

  Result<std::vector<LinkInstance>> Instances() override {
    std::vector<LinkInstance> instances;
    for (const std::string& name : NamesIn(OpenInstanceFolder(session().folder_fd()).get(), InstancePrefix(id()))) {
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

  void MarkDetached() { is_gone_ = true; }

 private:
  Session& session() const { return *shared_->session; }
  bool IsGone() const { return !IsFileOf(session().folder_fd(), file_.fd.get(), {ObjectKind::kLink, id()}); }

  Result<void> CheckIsAttached() const {
    if (file_.fd && !is_gone_ && !IsGone()) return {};
    return Error(ErrorCode::kInvalidArgument, fmt::format("link {}: is detached", id()), ENOENT);
  }

  Result<void> CheckIsWritable() const {
    if (!view_.is_read_only) return {};
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("link {}: belongs to another user, who shares it to be read", id()), EPERM);
  }

  // Runs that start from now on see it.
  void Disable() { __atomic_store_n(&view_.shared->enabled, 0U, __ATOMIC_SEQ_CST); }

  Result<void> Remove() {
    is_gone_ = true;
    session().RemoveAndWake(std::move(file_));
    auto reconciled = shared_->ReconcileLocally(false);
    RemoveInstances(session().folder_fd(), id());
    return reconciled;
  }

  // Gives up the handle. The link goes with the last one, unless it is pinned.
  void Close() {
    if (!file_.fd || is_gone_) return;
    const std::string name = file_.name;
    if (IsGone()) {  // detached by another handle
      is_gone_ = true;
      static_cast<void>(shared_->ReconcileLocally(false));
      return;
    }
    file_.fd.Reset();
    if (view_.is_read_only) return;
    const UniqueFd locked = LockDead(session().folder_fd(), name);
    if (!locked) return;
    Disable();
    if (program_ == nullptr) SumLink(session().folder_fd(), {ObjectKind::kLink, id()});
    file_.name = name;
    static_cast<void>(Remove());
    if (program_ == nullptr) session().RemoveIfUnused({ObjectKind::kProgram, view_.header.program_id});
  }

  SharedPtr shared_;
  std::shared_ptr<UserspaceProgram> program_;
  ObjectFile file_;
  runtime::LinkView view_;
  bool is_gone_ = false;  // detached through this handle, or found to be
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

Result<LinkInfo> MakeLinkInfo(std::span<const std::byte> file, std::uint32_t id) {
  LinkHeader header;
  if (file.size() < sizeof(header)) return Error(ErrorCode::kMalformed, fmt::format("link {}: truncated", id), EBADMSG);
  std::memcpy(&header, file.data(), sizeof(header));
  if (header.magic != static_cast<std::uint32_t>(runtime::FileMagic::kLink) ||
      header.version != runtime::kLayoutVersion || header.id != id) {
    return Error(ErrorCode::kMalformed, fmt::format("link {}: its file is damaged", id), EBADMSG);
  }
  const auto part = [&](std::uint32_t offset, std::uint32_t size) {
    const bool fits = offset <= file.size() && size <= file.size() - offset;
    return fits ? file.subspan(offset, size) : std::span<const std::byte>();
  };
  LinkInfo info;
  info.id = header.id;
  info.program_id = header.program_id;
  info.kind.assign(header.kind, ::strnlen(header.kind, sizeof(header.kind)));
  info.pid = header.pid;
  info.cookie = header.cookie;
  const auto path = part(header.path_offset, header.path_size);
  info.path.assign(reinterpret_cast<const char*>(path.data()), path.size());
  info.path.resize(::strnlen(info.path.c_str(), info.path.size()));
  AttachTarget target;
  target.kind = info.kind;
  const auto config = part(header.config_offset, header.config_size);
  target.config.assign(config.begin(), config.end());
  const bool is_uprobe = info.kind == "uprobe" || info.kind == "uretprobe";
  if (const auto probe = DecodeConfig<UprobeConfig>(target); is_uprobe && probe) info.offset = probe->file_offset;
  return info;
}

Result<std::unique_ptr<BackendLink>> OpenLink(SharedPtr shared, ObjectFile file, std::uint32_t id, bool is_detached) {
  runtime::LinkView view;
  runtime::Reason reason;
  // Through another open of the file: a mapping keeps the lock of the one that it was made from.
  const std::string path = fmt::format("/proc/self/fd/{}", file.fd.get());
  UniqueFd mapped(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!mapped && errno == EACCES) mapped = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!mapped) return Error::FromErrno(errno, fmt::format("link {}: opening it", id));
  const long error = runtime::MapLinkFile(mapped.get(), id, &view, &reason);
  if (error != 0) return Error::FromErrno(static_cast<int>(-error), static_cast<const char*>(reason.text));
  auto link = std::make_unique<Link>(std::move(shared), nullptr, std::move(file), view);
  if (is_detached) link->MarkDetached();
  return std::unique_ptr<BackendLink>(std::move(link));
}

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
  // Statistics may have been turned on after the header was made and before others saw the link.
  __atomic_store_n(&view->shared->flags, StatsFlags(session), __ATOMIC_RELAXED);
  const bool is_own = target.pid == ::getpid();
  STRATA_TRY(shared->ReconcileLocally(is_own));
  // Nobody answers for a link that rests.
  if (!runtime::IsEnabled(*view)) return std::unique_ptr<BackendLink>(std::move(link));
  if (is_own) STRATA_TRY(link->AnswerOf(target.pid));
  if (target.pid > 0 && !is_own && options.agent == AgentPolicy::kRequire) STRATA_TRY(link->WaitForAnswer(target.pid));
  return std::unique_ptr<BackendLink>(std::move(link));
}

}  // namespace strata::userspace
