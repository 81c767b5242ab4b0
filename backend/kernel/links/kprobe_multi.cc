// Many kernel functions by one link (Linux 5.18).
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "attach.h"
#include "fd_link.h"
#include "kernel_symbols.h"

namespace strata::kernel {
namespace {

constexpr std::uint32_t kReturn = 1U << 0;  // BPF_F_KPROBE_MULTI_RETURN
constexpr int kNotCompiledIn = EOPNOTSUPP;  // CONFIG_FPROBE is off

struct MultiRow {
  AttachType attach_type;
  std::uint32_t flags;
  std::string_view needs;
};
constexpr MultiRow kEntryRow = {AttachType::kTraceKprobeMulti, 0, "Linux 5.18"};
constexpr MultiRow kReturnRow = {AttachType::kTraceKprobeMulti, kReturn, "Linux 5.18"};
constexpr MultiRow kSessionRow = {AttachType::kTraceKprobeSession, 0, "Linux 6.10"};

struct Functions {
  std::vector<std::string> names;  // or
  std::vector<std::uint64_t> addresses;
  std::vector<std::uint64_t> cookies;  // none, or one each
};

std::vector<std::string> SplitNames(const std::string& list) {
  std::vector<std::string> names;
  for (std::size_t start = 0; start <= list.size();) {
    const std::size_t end = std::min(list.find(',', start), list.size());
    names.push_back(list.substr(start, end - start));
    start = end + 1;
  }
  return names;
}

bool IsPattern(const std::string& name) { return name.find_first_of("*?[") != std::string::npos; }

Result<Functions> ByName(const Context& context, const AttachTarget& target, const std::vector<KprobePlace>& places) {
  Functions functions;
  if (IsPattern(target.name)) {
    if (!places.empty()) {
      return Error(ErrorCode::kInvalidArgument, "a pattern's functions cannot have a cookie each", EINVAL);
    }
    functions.names = STRATA_TRY(FunctionsMatching(context, target.name));
    return functions;
  }
  functions.names = SplitNames(target.name);
  if (!places.empty() && places.size() != functions.names.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} functions and {} cookies", functions.names.size(), places.size()), EINVAL);
  }
  for (const KprobePlace& place : places) functions.cookies.push_back(place.cookie);
  return functions;
}

Result<Functions> FunctionsOf(const Context& context, const AttachTarget& target) {
  const auto places = STRATA_TRY(DecodeConfigs<KprobePlace>(target));
  if (!target.name.empty()) return ByName(context, target, places);
  Functions functions;
  for (const KprobePlace& place : places) {
    functions.addresses.push_back(place.address);
    functions.cookies.push_back(place.cookie);
  }
  if (places.empty()) return Error(ErrorCode::kInvalidArgument, "there is no function to attach to", EINVAL);
  return functions;
}

Result<UniqueFd> LinkFunctions(const Context& context, const KernelProgram& program, const Functions& functions,
                               const MultiRow& row) {
  std::vector<const char*> names;
  for (const std::string& name : functions.names) names.push_back(name.c_str());
  const bool has_cookies =
      std::any_of(functions.cookies.begin(), functions.cookies.end(), [](std::uint64_t cookie) { return cookie != 0; });
  LinkCreateAttr attr;
  attr.attach_type = static_cast<std::uint32_t>(row.attach_type);
  attr.detail.kprobe_multi.flags = row.flags;
  attr.detail.kprobe_multi.count = static_cast<std::uint32_t>(std::max(names.size(), functions.addresses.size()));
  attr.detail.kprobe_multi.symbols = names.empty() ? 0 : AddressOf(names.data());
  attr.detail.kprobe_multi.addresses = functions.addresses.empty() ? 0 : AddressOf(functions.addresses.data());
  attr.detail.kprobe_multi.cookies = has_cookies ? AddressOf(functions.cookies.data()) : 0;
  return CreateLink(context, program, attr);
}

Error ExplainFailure(const Context& context, const Functions& functions, const Error& error, const MultiRow& row,
                     const std::string& what) {
  const int sys_errno = error.sys_errno();
  if (sys_errno == kNotCompiledIn || sys_errno == EINVAL) {
    const auto option = context.facts->ConfigValue("CONFIG_FPROBE");
    if (option && !*option) {
      return Error(ErrorCode::kNotSupported, what + ": this kernel was built without CONFIG_FPROBE", sys_errno);
    }
    const auto version = context.facts->Version();
    const std::string release =
        version ? fmt::format("{}.{}", *version >> 16, (*version >> 8) & 0xff) : std::string("unknown");
    return Error(ErrorCode::kNotSupported,
                 fmt::format("{}: needs {} with CONFIG_FPROBE; this is Linux {}", what, row.needs, release), sys_errno);
  }
  const bool is_about_names = sys_errno == ESRCH || sys_errno == ENOENT || sys_errno == EADDRNOTAVAIL;
  // The kernel does not say which of the names it means.
  if (is_about_names && !functions.names.empty()) {
    return ExplainFunctions(context, functions.names, sys_errno).WithContext(what);
  }
  return error.WithContext(what);
}

Result<std::unique_ptr<BackendLink>> AttachMany(const ContextPtr& context,
                                                const std::shared_ptr<KernelProgram>& program,
                                                const AttachTarget& target, const MultiRow& row) {
  const std::string what = target.name.empty() ? target.kind : fmt::format("{} {}", target.kind, target.name);
  const Functions functions = STRATA_TRY(FunctionsOf(*context, target).Context(what));
  auto make = [context, functions, &row](const KernelProgram& attached) {
    return LinkFunctions(*context, attached, functions, row);
  };
  auto link = FdLink::Create(context, program, target, std::move(make));
  if (!link) return ExplainFailure(*context, functions, link.error(), row, what);
  return link;
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachKprobeMulti(const ContextPtr& context,
                                                       const std::shared_ptr<KernelProgram>& program,
                                                       const AttachTarget& target) {
  return AttachMany(context, program, target, kEntryRow);
}

Result<std::unique_ptr<BackendLink>> AttachKretprobeMulti(const ContextPtr& context,
                                                          const std::shared_ptr<KernelProgram>& program,
                                                          const AttachTarget& target) {
  return AttachMany(context, program, target, kReturnRow);
}

Result<std::unique_ptr<BackendLink>> AttachKprobeSession(const ContextPtr& context,
                                                         const std::shared_ptr<KernelProgram>& program,
                                                         const AttachTarget& target) {
  return AttachMany(context, program, target, kSessionRow);
}

}  // namespace strata::kernel
