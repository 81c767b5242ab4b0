#include "fd_link.h"

#include <fmt/format.h>

#include <cerrno>

#include "fd_info.h"
#include "map.h"

namespace strata::kernel {

Result<UniqueFd> CreateLink(const Context& context, const KernelProgram& program, LinkCreateAttr attr) {
  attr.prog_fd = static_cast<std::uint32_t>(program.fd());
  FdOrErrno link = context.Open(Command::kLinkCreate, attr);
  if (!link) return BpfError(link.sys_errno, fmt::format("linking program {}", program.info().name));
  return std::move(link.fd);
}

bool KnowsLinks(const Context& context, ProgramType program_type, LinkCreateAttr attr) {
  const isa::Instruction code[] = {{.opcode = 0xb7, .dst = 0, .src = 0, .offset = 0, .imm = 0},
                                   {.opcode = 0x95, .dst = 0, .src = 0, .offset = 0, .imm = 0}};
  ProgramLoadAttr load;
  load.prog_type = static_cast<std::uint32_t>(program_type);
  load.insns = AddressOf(&code[0]);
  load.insn_cnt = 2;
  load.license = AddressOf("GPL");
  // Programs of perf events are loaded without an attach type.
  const bool has_own_type = attr.attach_type != static_cast<std::uint32_t>(AttachType::kPerfEvent);
  load.expected_attach_type = has_own_type ? attr.attach_type : 0;
  const FdOrErrno program = context.Open(Command::kProgramLoad, load);
  if (!program) return false;
  attr.prog_fd = static_cast<std::uint32_t>(program.fd.get());
  const FdOrErrno link = context.Open(Command::kLinkCreate, attr);
  return link || link.sys_errno != EINVAL;
}

Result<std::unique_ptr<BackendLink>> FdLink::Create(const ContextPtr& context, std::shared_ptr<KernelProgram> program,
                                                    const AttachTarget& target, Make make) {
  auto link = std::unique_ptr<FdLink>(new FdLink(context, std::move(program), std::move(make)));
  link->fd_ = STRATA_TRY(link->make_(*link->program_));
  link->info_ = STRATA_TRY(ReadLinkInfo(*context, link->fd_.get()));
  link->info_.kind = target.kind;
  return std::unique_ptr<BackendLink>(std::move(link));
}

Result<std::unique_ptr<BackendLink>> FdLink::Adopt(const ContextPtr& context, UniqueFd fd) {
  if (const std::string kind = OtherObjectKind(fd.get(), "link"); !kind.empty())
    return Error(ErrorCode::kInvalidArgument, fmt::format("is a {}, not a link", kind), EINVAL);
  auto link = std::unique_ptr<FdLink>(new FdLink(context, nullptr, nullptr));
  link->fd_ = std::move(fd);
  link->info_ = STRATA_TRY(ReadLinkInfo(*context, link->fd_.get()));
  return std::unique_ptr<BackendLink>(std::move(link));
}

std::string FdLink::Place() const { return fmt::format("{} link {}", info_.kind, info_.id); }

Result<void> FdLink::CheckIsAttached() const {
  if (fd_) return {};
  return Error(ErrorCode::kInvalidArgument, Place() + ": is disabled or detached");
}

// Where the kernel has no BPF_LINK_DETACH for a kind, the last descriptor detaches it (no pin holds it then, or the
// caller removes that).
Result<void> FdLink::Detach() {
  if (!fd_) return {};
  TwoNumbersAttr attr{static_cast<std::uint32_t>(fd_.get()), 0};
  const long result = context_->Bpf(Command::kLinkDetach, attr);
  fd_.Reset();
  make_ = nullptr;
  if (result == 0 || result == -EOPNOTSUPP || result == -EINVAL) return {};
  return BpfError(static_cast<int>(-result), Place() + ": detaching it");
}

// A disabled perf event still runs its program (kernel/trace/trace_uprobe.c) and other links cannot be disabled at all,
// so the link goes and comes.
Result<void> FdLink::SetEnabled(bool enabled) {
  if (make_ == nullptr) {
    return Error(ErrorCode::kNotSupported, Place() + ": only who attached the program can disable and enable it");
  }
  if (!enabled) {
    fd_.Reset();
  } else if (!fd_) {
    fd_ = STRATA_TRY(make_(*program_).Context(Place()));
    const std::string kind = std::move(info_.kind);
    info_ = STRATA_TRY(ReadLinkInfo(*context_, fd_.get()));
    info_.kind = kind;
  }
  return {};
}

Result<LinkInfo> FdLink::Info() {
  STRATA_TRY(CheckIsAttached());
  LinkInfo info = STRATA_TRY(ReadLinkInfo(*context_, fd_.get()));
  info.kind = info_.kind;
  return info;
}

Result<void> FdLink::Update(const std::shared_ptr<BackendProgram>& program,
                            const std::shared_ptr<BackendProgram>& expected) {
  STRATA_TRY(CheckIsAttached());
  auto next = std::dynamic_pointer_cast<KernelProgram>(program);
  const auto* previous = dynamic_cast<const KernelProgram*>(expected.get());
  if (next == nullptr || (expected != nullptr && previous == nullptr)) {
    return Error(ErrorCode::kInvalidArgument, Place() + ": a program of another backend cannot take its place");
  }
  LinkUpdateAttr attr;
  attr.link_fd = static_cast<std::uint32_t>(fd_.get());
  attr.new_fd = static_cast<std::uint32_t>(next->fd());
  if (previous != nullptr) {
    attr.flags = attach_flags::kReplace;
    attr.old_fd = static_cast<std::uint32_t>(previous->fd());
  }
  const long result = context_->Bpf(Command::kLinkUpdate, attr);
  const std::string what = fmt::format("{}: putting program {} in place", Place(), next->info().name);
  if (result == -EPERM && previous != nullptr) {
    return Error(ErrorCode::kBusy, fmt::format("{}: it no longer runs program {}", what, previous->info().name), EPERM);
  }
  if (result != 0 && !TakesPrograms(*context_, fd_.get())) {
    return Error(
        ErrorCode::kNotSupported,
        what + ": the kernel cannot do that for links of this kind; attach the other program, then detach this",
        static_cast<int>(-result));
  }
  if (result != 0) return BpfError(static_cast<int>(-result), what);
  info_.program_id = next->info().id;
  program_ = std::move(next);
  return {};
}

Result<void> FdLink::UpdateStructOps(const std::shared_ptr<BackendMap>& map,
                                     const std::shared_ptr<BackendMap>& expected) {
  STRATA_TRY(CheckIsAttached());
  const auto* next = dynamic_cast<const KernelMap*>(map.get());
  const auto* previous = dynamic_cast<const KernelMap*>(expected.get());
  if (next == nullptr || (expected != nullptr && previous == nullptr)) {
    return Error(ErrorCode::kInvalidArgument, Place() + ": a map of another backend cannot take its place");
  }
  LinkUpdateAttr attr;
  attr.link_fd = static_cast<std::uint32_t>(fd_.get());
  attr.new_fd = static_cast<std::uint32_t>(next->fd());
  if (previous != nullptr) {
    attr.flags = attach_flags::kReplace;
    attr.old_fd = static_cast<std::uint32_t>(previous->fd());
  }
  const long result = context_->Bpf(Command::kLinkUpdate, attr);
  const std::string what = fmt::format("{}: putting map {} in place", Place(), next->info().name);
  if (result == -EPERM && previous != nullptr) {
    return Error(ErrorCode::kBusy, fmt::format("{}: it no longer uses map {}", what, previous->info().name), EPERM);
  }
  return result == 0 ? Result<void>() : BpfError(static_cast<int>(-result), what);
}

Result<void> FdLink::Pin(const std::string& path) {
  STRATA_TRY(CheckIsAttached());
  return PinObject(*context_, fd_.get(), path, Place());
}

Result<UniqueFd> FdLink::OpenIterator() {
  STRATA_TRY(CheckIsAttached());
  TwoNumbersAttr attr{static_cast<std::uint32_t>(fd_.get()), 0};
  FdOrErrno iterator = context_->Open(Command::kIteratorCreate, attr);
  if (iterator) return std::move(iterator.fd);
  if (iterator.sys_errno == EINVAL) {
    return Error(ErrorCode::kNotSupported, Place() + ": is no iterator, there is nothing to read", EINVAL);
  }
  return BpfError(iterator.sys_errno, Place() + ": opening the iterator");
}

}  // namespace strata::kernel
