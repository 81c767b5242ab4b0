#include "object_operations.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <random>

#include "strata/base/unique_fd.h"
#include "strata/strata.h"

namespace strata::test {
namespace {

enum class Operation : std::uint8_t { kPut, kLookup, kDelete, kTake, kRun };
constexpr const char* kNames[] = {"put", "lookup", "delete", "take", "a program's run"};

struct Step {
  Operation operation = Operation::kLookup;
  std::uint64_t key = 0;
  std::uint64_t object = 0;
  std::uint64_t flags = 0;
};

struct Outcome {
  std::int64_t result = 0;  // found, what a program returned, or a negative errno
  std::int64_t object = -1;
  bool operator==(const Outcome&) const = default;
};

constexpr std::uint64_t kKeys = 6;  // of maps with four places
constexpr std::uint64_t kObjects = 4;

// What is put into maps by descriptor, and what stands for keys: the same for both sides.
struct Descriptors {
  std::vector<UniqueFd> cgroups;
  std::vector<UniqueFd> processes;  // ourselves, and a child that waits
  pid_t child = -1;

  Descriptors() = default;
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;
  ~Descriptors() {
    if (child > 0) ::kill(child, SIGKILL);
    if (child > 0) ::waitpid(child, nullptr, 0);
  }

  void OpenProcesses() {
    child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) ::pause();
    }
    for (const pid_t pid : {::getpid(), child})
      processes.emplace_back(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  }
  // The root, which everybody is below, and others that are there, whoever is below them.
  void OpenCgroups() {
    std::filesystem::path root = "/sys/fs/cgroup";
    if (!std::filesystem::exists(root / "cgroup.controllers")) root /= "unified";
    if (!std::filesystem::exists(root / "cgroup.controllers")) return;
    std::vector<std::filesystem::path> folders = {root};
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
      if (entry.is_directory() && folders.size() < kObjects - 1) folders.push_back(entry.path());
    }
    for (const auto& folder : folders) cgroups.emplace_back(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
};

class Side {
 public:
  Side(std::string_view backend, const std::string& kind, const Descriptors& descriptors)
      : kind_(kind), descriptors_(descriptors) {
    backend_ =
        OpenBackend(backend, {.session = fmt::format("soak-{}", ::getpid()), .runtime_folder = {}, .agent_path = {}})
            .value();
    objects_.emplace(LoadCollection(backend_, std::string(STRATA_BPF_OBJECT_OPERATIONS)).value());
    map_ = objects_->FindMap(kind).value();
    program_ = objects_->FindProgram("of_" + kind).value();
    for (const char* name : {"first_target", "second_target", "target_of_another_type"})
      programs_.push_back(objects_->FindProgram(name).value());
    for (const char* name : {"first_map", "second_map", "larger_map"}) {
      maps_.push_back(objects_->FindMap(name).value());
      const std::uint32_t zero = 0;
      const std::uint64_t value = 10 * maps_.size();
      maps_.back()->Update(std::as_bytes(std::span(&zero, 1)), std::as_bytes(std::span(&value, 1))).value();
    }
  }

  Outcome Apply(const Step& step) {
    if (step.operation == Operation::kRun) return Run(step);
    if (kind_ == "hash_of_maps") return ApplyTo(std::as_bytes(std::span(&step.key, 1)), step);
    auto key = static_cast<std::uint32_t>(step.key);
    if (kind_ == "task_storage") key = static_cast<std::uint32_t>(DescriptorOf(descriptors_.processes, step.key));
    return ApplyTo(std::as_bytes(std::span(&key, 1)), step);
  }

 private:
  Outcome Run(const Step& step) {
    const std::uint64_t context[] = {step.key, step.flags, step.object};
    const auto result = program_->TestRun({.context_in = std::as_bytes(std::span(context))}).value();
    return {static_cast<std::int32_t>(result.return_value)};
  }

  Outcome ApplyTo(std::span<const std::byte> key, const Step& step) {
    std::uint64_t value = 0;
    const auto bytes = std::as_writable_bytes(std::span(&value, 1)).subspan(0, map_->info().element_size);
    const auto found = [&](const Result<bool>& result, bool has_value) -> Outcome {
      if (!result) return {-result.error().sys_errno()};
      return {*result, *result && has_value ? ObjectOf(value) : -1};
    };
    switch (step.operation) {
      case Operation::kPut: {
        const auto result = Put(key, step);
        return {result ? 0 : -result.error().sys_errno()};
      }
      case Operation::kDelete:
        return found(map_->Delete(key), false);
      case Operation::kTake:
        return found(map_->LookupAndDelete(key, bytes), true);
      default:
        return found(map_->Lookup(key, bytes), true);
    }
  }

  // Objects go in as such; one past the last, and any with flags, as a number that is no descriptor.
  Result<void> Put(std::span<const std::byte> key, const Step& step) {
    const bool is_plain = step.flags == 0;
    if (kind_ == "prog_array" && is_plain && step.object < programs_.size())
      return map_->backend_map()->UpdateProgram(key, programs_[step.object]->backend_program());
    if (kind_.ends_with("of_maps") && is_plain && step.object < maps_.size())
      return map_->backend_map()->UpdateMap(key, maps_[step.object]->backend_map());
    std::uint64_t value = step.object;
    if (kind_ != "task_storage")
      value =
          static_cast<std::uint32_t>(kind_ == "cgroup_array" ? DescriptorOf(descriptors_.cgroups, step.object) : -1);
    return map_->Update(key, std::as_bytes(std::span(&value, 1)).subspan(0, map_->info().element_size),
                        static_cast<UpdateMode>(step.flags));
  }

  static int DescriptorOf(const std::vector<UniqueFd>& descriptors, std::uint64_t number) {
    return number < descriptors.size() ? descriptors[number].get() : -1;
  }

  // Ids differ between the backends.
  std::int64_t ObjectOf(std::uint64_t value) const {
    const auto index = [&](const auto& objects) -> std::int64_t {
      const auto has_id = [&](const auto* object) { return object->info().id == value; };
      const auto at = std::find_if(objects.begin(), objects.end(), has_id);
      return at == objects.end() ? -2 : at - objects.begin();
    };
    if (kind_ == "prog_array") return index(programs_);
    return kind_.ends_with("of_maps") ? index(maps_) : static_cast<std::int64_t>(value);
  }

  std::string kind_;
  const Descriptors& descriptors_;
  std::shared_ptr<Backend> backend_;
  std::optional<Collection> objects_;
  Map* map_ = nullptr;
  const Program* program_ = nullptr;
  std::vector<const Program*> programs_;
  std::vector<Map*> maps_;
};

Step RandomStep(std::mt19937_64& random) {
  constexpr Operation kOfAll[] = {Operation::kPut,    Operation::kPut,  Operation::kPut, Operation::kLookup,
                                  Operation::kDelete, Operation::kTake, Operation::kRun, Operation::kRun};
  Step step;
  step.operation = kOfAll[random() % std::size(kOfAll)];
  step.key = random() % kKeys;
  step.object = random() % kObjects;
  step.flags = random() % 4 == 0 ? random() % 6 : 0;  // also ones that there are not
  if (random() % 64 == 0) step.key = random();
  return step;
}

}  // namespace

std::vector<std::string> ComparedObjectKinds() {
  std::vector<std::string> kinds = {"prog_array", "array_of_maps", "hash_of_maps", "task_storage"};
  Descriptors descriptors;
  descriptors.OpenCgroups();
  if (!descriptors.cgroups.empty()) kinds.emplace_back("cgroup_array");
  return kinds;
}

std::string CompareObjectMaps(const std::string& kind, std::uint64_t operations, std::uint64_t seed) {
  Descriptors descriptors;
  descriptors.OpenCgroups();
  descriptors.OpenProcesses();
  Side kernel("kernel", kind, descriptors);
  Side userspace("userspace", kind, descriptors);
  std::mt19937_64 random(seed);
  for (std::uint64_t i = 0; i < operations; ++i) {
    const Step step = RandomStep(random);
    const Outcome expected = kernel.Apply(step);
    const Outcome actual = userspace.Apply(step);
    if (expected == actual) continue;
    return fmt::format("operation {}: {}, key {:#x}, object {}, flags {}: kernel {} {}, userspace {} {}", i,
                       kNames[static_cast<std::size_t>(step.operation)], step.key, step.object, step.flags,
                       expected.result, expected.object, actual.result, actual.object);
  }
  return {};
}

}  // namespace strata::test
