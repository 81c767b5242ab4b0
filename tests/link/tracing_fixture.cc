#include "tracing_fixture.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <map>

namespace strata::testing {

long TracingSyscalls::PerfEventOpen(const perf_event_attr& attributes, pid_t pid, int cpu, int group,
                                    unsigned long flags) const {
  Event event{attributes, {}, pid, cpu};
  if (config1_is_text && attributes.config1 != 0) event.text = reinterpret_cast<const char*>(attributes.config1);
  const auto answer = on_event != nullptr ? on_event(event) : std::nullopt;
  {
    const std::lock_guard lock(events_mutex_);
    events_.push_back(std::move(event));
  }
  return answer ? *answer : SyscallTable::PerfEventOpen(attributes, pid, cpu, group, flags);
}

long TracingSyscalls::Ioctl(int fd, unsigned long request, unsigned long argument) const {
  {
    const std::lock_guard lock(events_mutex_);
    ioctls_.push_back(request);
  }
  const auto answer = on_ioctl != nullptr ? on_ioctl(request) : std::nullopt;
  return answer ? *answer : SyscallTable::Ioctl(fd, request, argument);
}

std::vector<TracingSyscalls::Event> TracingSyscalls::Events() const {
  const std::lock_guard lock(events_mutex_);
  return events_;
}

std::vector<unsigned long> TracingSyscalls::Ioctls() const {
  const std::lock_guard lock(events_mutex_);
  return ioctls_;
}

kernel::FakeSyscalls::Answer Refuse(kernel::Command command, long answer) {
  return [command, answer](kernel::Command called, void*) -> std::optional<long> {
    return called == command ? std::optional(answer) : std::nullopt;
  };
}

namespace {

// The objects that a test's kernel made, by descriptor: the type of a program, nothing for a link.
using FakeObjects = std::map<std::uint32_t, std::optional<ProgramType>>;

long Remember(FakeObjects& objects, std::optional<ProgramType> type) {
  const long fd = kernel::FakeSyscalls::AnyDescriptor();
  objects[static_cast<std::uint32_t>(fd)] = type;
  return fd;
}

// A number may be another object's by now.
bool IsAnyDescriptor(std::uint32_t fd) {
  struct stat status {};
  struct stat null {};
  return ::fstat(static_cast<int>(fd), &status) == 0 && ::stat("/dev/null", &null) == 0 && S_ISCHR(status.st_mode) &&
         status.st_rdev == null.st_rdev;
}

std::optional<long> Describe(const FakeObjects& objects, const kernel::InfoAttr& attr) {
  const auto found = objects.find(attr.bpf_fd);
  if (found == objects.end() || !IsAnyDescriptor(attr.bpf_fd)) return std::nullopt;
  if (found->second && attr.info_len == sizeof(kernel::ProgramInfoRecord)) {
    reinterpret_cast<kernel::ProgramInfoRecord*>(attr.info)->type = static_cast<std::uint32_t>(*found->second);
  }
  return 0;
}

}  // namespace

kernel::FakeSyscalls::Answer Take(std::vector<ProgramType> types) {
  auto objects = std::make_shared<FakeObjects>();
  return [objects, types = std::move(types)](kernel::Command command, void* attr) -> std::optional<long> {
    if (command == kernel::Command::kProgramLoad) {
      const auto type = static_cast<ProgramType>(static_cast<kernel::ProgramLoadAttr*>(attr)->prog_type);
      const bool takes = std::find(types.begin(), types.end(), type) != types.end();
      return takes ? std::optional(Remember(*objects, type)) : std::nullopt;
    }
    if (command == kernel::Command::kLinkCreate || command == kernel::Command::kRawTracepointOpen) {
      return Remember(*objects, std::nullopt);
    }
    if (command == kernel::Command::kInfo) return Describe(*objects, *static_cast<kernel::InfoAttr*>(attr));
    return std::nullopt;
  };
}

void LinkTracingTest::SetUp() {
  auto backend = OpenBackend("kernel");
  if (!backend && backend.error().code() == ErrorCode::kPermissionDenied) {
    GTEST_SKIP() << "lacks the right to use bpf(2): " << backend.error().message();
  }
  ASSERT_TRUE(backend) << backend.error().message();
  backend_ = *std::move(backend);
}

Result<Collection> LinkTracingTest::TryLoadOn(const std::shared_ptr<Backend>& backend,
                                              std::initializer_list<std::string> programs, LoadOptions options) {
  auto spec = STRATA_TRY(LoadCollectionSpec(STRATA_BPF_TRACING));
  for (auto& [name, program] : spec.programs) program.autoload = false;
  for (const std::string& name : programs) spec.programs.at(name).autoload = true;
  auto objects = STRATA_TRY(LoadCollection(backend, std::move(spec), std::move(options)));
  STRATA_TRY(STRATA_TRY(objects.FindVariable("target_tgid")).Set(static_cast<std::uint32_t>(::getpid())));
  return objects;
}

Collection LinkTracingTest::LoadOn(const std::shared_ptr<Backend>& backend,
                                   std::initializer_list<std::string> programs) {
  auto objects = TryLoadOn(backend, programs);
  if (!objects) ADD_FAILURE() << objects.error().message() << "\n" << objects.error().log();
  return *std::move(objects);
}

const Program& ProgramOf(Collection& objects, std::string_view name) { return **objects.FindProgram(name); }

std::uint64_t Read(Collection& objects, std::string_view variable) {
  return objects.FindVariable(variable)->Get<std::uint64_t>().value();
}

LinkInfo OpenedInfo(const std::shared_ptr<Backend>& backend, const Link& link) {
  return OpenLink(backend, link.id())->Info().value();
}

void CallGetppid() { ::syscall(SYS_getppid); }

}  // namespace strata::testing
