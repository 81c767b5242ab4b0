#include "kernel_symbols.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <functional>
#include <map>

#include "strata/base/similar_name.h"
#include "tracefs.h"

namespace strata::kernel {
namespace {

bool IsFunction(char type) { return type == 't' || type == 'T' || type == 'w' || type == 'W'; }

bool Matches(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

// "name" or "name [module]", a line each.
bool AddTraceable(const Context& context, const std::string& pattern, std::vector<std::string>& found) {
  const auto tracefs = FindTracefs(context);
  if (!tracefs) return false;
  std::ifstream file(*tracefs + "/available_filter_functions");
  std::string line;
  bool has_any = false;
  while (std::getline(file, line)) {
    has_any = true;
    std::string name = line.substr(0, line.find_first_of(" \t"));
    if (Matches(pattern, name)) found.push_back(std::move(name));
  }
  return has_any;
}

Error NoSuchFunction(const Context& context, const std::string& name, int sys_errno) {
  SimilarName similar(name);
  static_cast<void>(context.facts->ForEachSymbol([&](const KernelFacts::Symbol& symbol) {
    if (IsFunction(symbol.type)) similar.Offer(symbol.name);
  }));
  return Error(ErrorCode::kNotFound, fmt::format("this kernel has no function {}{}", name, similar.Hint()), sys_errno);
}

}  // namespace

Error ExplainFunctions(const Context& context, const std::vector<std::string>& names, int sys_errno) {
  std::map<std::string, std::vector<std::uint64_t>, std::less<>> addresses;
  for (const std::string& name : names) addresses.try_emplace(name);
  const auto read = context.facts->ForEachSymbol([&](const KernelFacts::Symbol& symbol) {
    const auto found = addresses.find(symbol.name);
    if (found != addresses.end() && IsFunction(symbol.type)) found->second.push_back(symbol.address);
  });
  if (!read) return BpfError(sys_errno, fmt::format("hooking {}", fmt::join(names, ", ")));
  for (const std::string& name : names) {
    const auto& found = addresses.at(name);
    if (found.empty()) return NoSuchFunction(context, name, sys_errno);
    if (found.size() == 1) continue;
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} is the name of {} functions: hook one by its address, {:#x}", name, found.size(),
                             fmt::join(found, ", ")),
                 sys_errno);
  }
  return BpfError(sys_errno, names.size() == 1 ? fmt::format("function {} exists and cannot be hooked", names.front())
                                               : std::string("all functions exist, and not all can be hooked"));
}

Result<std::vector<std::string>> FunctionsMatching(const Context& context, const std::string& pattern) {
  std::vector<std::string> found;
  if (!AddTraceable(context, pattern, found)) {
    STRATA_TRY(context.facts->ForEachSymbol([&](const KernelFacts::Symbol& symbol) {
      std::string name(symbol.name);
      if (IsFunction(symbol.type) && Matches(pattern, name)) found.push_back(std::move(name));
    }));
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  if (found.empty()) {
    return Error(ErrorCode::kNotFound, fmt::format("no function of this kernel matches {}", pattern), ENOENT);
  }
  return found;
}

}  // namespace strata::kernel
