#include "program_attachment.h"

#include <fmt/format.h>

#include <cerrno>

#include "strata/spec/type_names.h"

namespace strata::kernel {

Result<std::unique_ptr<BackendLink>> ProgramAttachment::Create(const ContextPtr& context,
                                                               std::shared_ptr<KernelProgram> program, Place place) {
  auto attachment =
      std::unique_ptr<ProgramAttachment>(new ProgramAttachment(context, std::move(program), std::move(place)));
  STRATA_TRY(attachment->SetEnabled(true));
  return std::unique_ptr<BackendLink>(std::move(attachment));
}

ProgramAttachment::~ProgramAttachment() {
  if (!owner_.IsCaller()) return;
  // A destructor has nobody to tell; Detach() says what went wrong.
  [[maybe_unused]] const auto result = Detach();
}

std::string ProgramAttachment::Text() const {
  return fmt::format("program {} at {}", program_->info().name, AttachTypeName(place_.attach_type));
}

long ProgramAttachment::Call(Command command, const KernelProgram& program, const KernelProgram* replaced) const {
  AttachAttr attr;
  attr.target = static_cast<std::uint32_t>(place_.fd.get());
  attr.attach_bpf_fd = static_cast<std::uint32_t>(program.fd());
  attr.attach_type = static_cast<std::uint32_t>(place_.attach_type);
  if (command == Command::kProgramAttach) attr.attach_flags = place_.flags;
  if (replaced != nullptr) {
    attr.attach_flags |= attach_flags::kReplace;
    attr.replace_bpf_fd = static_cast<std::uint32_t>(replaced->fd());
  }
  return context_->Bpf(command, attr);
}

Result<void> ProgramAttachment::SetEnabled(bool enabled) {
  if (enabled == is_attached_) return {};
  const long result = Call(enabled ? Command::kProgramAttach : Command::kProgramDetach, *program_, nullptr);
  if (result != 0 && enabled) return BpfError(static_cast<int>(-result), Text() + ": attaching it");
  is_attached_ = enabled;
  if (result != 0) return BpfError(static_cast<int>(-result), Text() + ": detaching it");
  return {};
}

Result<LinkInfo> ProgramAttachment::Info() {
  LinkInfo info = place_.info;
  info.program_id = program_->info().id;
  info.attach_type = place_.attach_type;
  return info;
}

// Only a place of several programs needs to be told which one goes (BPF_F_REPLACE, Linux 5.6); others have one.
Result<void> ProgramAttachment::Update(const std::shared_ptr<BackendProgram>& program,
                                       const std::shared_ptr<BackendProgram>& expected) {
  if (!is_attached_) return Error(ErrorCode::kInvalidArgument, Text() + ": is disabled or detached");
  auto next = std::dynamic_pointer_cast<KernelProgram>(program);
  if (next == nullptr) {
    return Error(ErrorCode::kInvalidArgument, Text() + ": a program of another backend cannot take its place");
  }
  if (expected != nullptr && expected->info().id != program_->info().id) {
    return Error(ErrorCode::kBusy, fmt::format("{}: it does not run program {}", Text(), expected->info().name));
  }
  const bool has_others = (place_.flags & attach_flags::kAllowMulti) != 0;
  const long result = Call(Command::kProgramAttach, *next, has_others ? program_.get() : nullptr);
  if (result == -ENOENT) {
    return Error(ErrorCode::kBusy, Text() + ": somebody else has detached it", ENOENT);
  }
  if (result != 0) {
    return BpfError(static_cast<int>(-result),
                    fmt::format("{}: putting program {} in place", Text(), next->info().name));
  }
  program_ = std::move(next);
  return {};
}

}  // namespace strata::kernel
