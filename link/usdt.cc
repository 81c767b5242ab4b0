#include "strata/link/usdt.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "strata/backend/link_group.h"
#include "strata/elf/image.h"
#include "strata/link/executable.h"
#include "strata/spec/usdt_arguments.h"

namespace strata {
namespace {

constexpr std::uint16_t kMachineX86_64 = 62;                  // EM_X86_64
constexpr std::uint64_t kLastSemaphoreOfKernel = UINT32_MAX;  // PERF_UPROBE_REF_CTR_OFFSET_BITS
constexpr std::size_t kMostListed = 40;

Error NoSuchProbe(const std::vector<elf::UsdtProbe>& probes) {
  if (probes.empty()) return Error(ErrorCode::kNotFound, "the file has no USDT probes");
  std::set<std::string> names;
  for (const elf::UsdtProbe& probe : probes) names.insert(probe.provider + ":" + probe.name);
  std::vector<std::string> listed(names.begin(), std::next(names.begin(), std::min(names.size(), kMostListed)));
  if (names.size() > kMostListed) listed.push_back(fmt::format("and {} more", names.size() - kMostListed));
  return Error(ErrorCode::kNotFound, fmt::format("no such USDT probe (there is: {})", fmt::join(listed, ", ")));
}

Result<std::vector<elf::UsdtProbe>> FindProbes(const elf::Image& image, std::string_view provider,
                                               std::string_view name) {
  const std::vector<elf::UsdtProbe> all = STRATA_TRY(image.UsdtProbes());
  std::vector<elf::UsdtProbe> found;
  std::copy_if(all.begin(), all.end(), std::back_inserter(found),
               [&](const elf::UsdtProbe& probe) { return probe.provider == provider && probe.name == name; });
  if (found.empty()) return NoSuchProbe(all);
  return found;
}

// The address of a variable that an argument names; static ones of one name may be many.
Result<std::uint64_t> AddressOfVariable(const elf::Image& image, const std::string& name) {
  const std::vector<std::uint64_t> addresses = STRATA_TRY(image.AddressesOf(name));
  if (addresses.size() == 1) return addresses.front();
  return Error(ErrorCode::kNotSupported,
               fmt::format("an argument is the variable {}, and the file has {} symbols of that name", name,
                           addresses.empty() ? "no" : "several"));
}

// What programs know at run time is where the probe lies, and from there the variable is always equally far.
Result<void> ResolveSymbols(const elf::Image& image, const elf::UsdtProbe& probe,
                            std::vector<UsdtArgument>& arguments) {
  for (UsdtArgument& argument : arguments) {
    if (argument.symbol.empty()) continue;
    const std::uint64_t address = STRATA_TRY(AddressOfVariable(image, argument.symbol));
    const std::uint64_t distance = address - probe.address;
    argument.value = static_cast<std::int64_t>(static_cast<std::uint64_t>(argument.value) + distance);
    argument.symbol.clear();
  }
  return {};
}

// Attaches one program to places of one file.
class Attacher {
 public:
  Attacher(const elf::Image& image, const Program& program, const UsdtOptions& options)
      : image_(image), program_(program), options_(options), entries_(std::make_shared<Entries>()) {}

  Result<void> Check() const {
    if (image_.machine() != kMachineX86_64) return Error(ErrorCode::kNotSupported, "the file is not for x86-64");
    const Backend& backend = *program_.backend();
    // Programs ask for LINUX_HAS_BPF_COOKIE, and go by the address without it.
    if (program_.usdt_specs() != nullptr && !backend.kernel().HasBpfCookie()) {
      return Error(ErrorCode::kNotSupported, "attach cookies, by which programs find arguments, need Linux 5.15");
    }
    return {};
  }

  Result<void> Attach(const elf::UsdtProbe& probe) {
    if (program_.backend()->runs_in_kernel() && probe.semaphore_file_offset > kLastSemaphoreOfKernel) {
      return Error(ErrorCode::kNotSupported, "the kernel finds semaphores in the first 4 GiB of a file only");
    }
    AttachTarget target;
    target.kind = "uprobe";
    target.path = image_.path();
    target.pid = options_.pid;
    target.cookie = STRATA_TRY(CookieOf(probe));
    target.config = EncodeConfig(
        UprobeConfig{.file_offset = probe.file_offset, .ref_ctr_file_offset = probe.semaphore_file_offset});
    links_.push_back(
        STRATA_TRY(program_.backend()->Attach(program_.backend_program(), target, {.agent = options_.agent})));
    return {};
  }

  Link Finish() && { return Link(program_.backend(), MakeLinkGroup(std::move(links_), {"", std::move(entries_)})); }

 private:
  using Entries = std::vector<UsdtSpecs::Entry>;

  // The number of the place's specification, which also has the user's cookie.
  Result<std::uint64_t> CookieOf(const elf::UsdtProbe& probe) {
    if (program_.usdt_specs() == nullptr) return options_.cookie;
    auto arguments = STRATA_TRY(ParseUsdtArguments(probe.arguments));
    STRATA_TRY(ResolveSymbols(image_, probe, arguments));
    entries_->push_back(STRATA_TRY(program_.usdt_specs()->Hold(EncodeUsdtSpec(arguments, options_.cookie))));
    return std::uint64_t{entries_->back().id()};
  }

  const elf::Image& image_;
  const Program& program_;
  const UsdtOptions& options_;
  std::shared_ptr<Entries> entries_;
  std::vector<std::unique_ptr<BackendLink>> links_;  // detached before the entries go
};

Result<Link> AttachPlaces(const elf::Image& image, std::string_view provider, std::string_view name,
                          const Program& program, const UsdtOptions& options) {
  Attacher attacher(image, program, options);
  STRATA_TRY(attacher.Check());
  for (const elf::UsdtProbe& probe : STRATA_TRY(FindProbes(image, provider, name))) {
    STRATA_TRY(attacher.Attach(probe).Context(fmt::format("place {:#x}", probe.address)));
  }
  return std::move(attacher).Finish();
}

}  // namespace

Result<Usdt> Executable::AttachUsdt(std::string_view provider, std::string_view name, const Program& program,
                                    const UsdtOptions& options) const {
  auto link = AttachPlaces(image(), provider, name, program, options);
  if (!link) return std::move(link).error().WithContext(fmt::format("usdt {}:{}:{}", path(), provider, name));
  return Usdt(*std::move(link));
}

}  // namespace strata
