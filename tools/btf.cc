// strata btf: the types that a file describes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "object_file.h"
#include "strata/btf/dump.h"
#include "strata/btf/dump_c.h"
#include "strata/elf/types_file.h"
#include "verb.h"

namespace strata::tools {
namespace {

constexpr const char* kRunningKernel = "vmlinux";
constexpr std::string_view kKernelFolder = "/sys/kernel/btf/";

struct DumpOptions {
  std::string path;
  std::string format = "c";
  std::vector<std::string> types;
  std::string base;
};

using Dump = Result<std::string> (*)(const btf::Btf&, std::span<const btf::TypeId>);

struct Format {
  const char* name;
  Dump dump;
  bool definitions_only;  // functions, variables and sections have no place in it
};

constexpr Format kFormats[] = {
    {"c", btf::DumpC, true},
    {"raw", btf::DumpRaw, false},
    {"json", btf::DumpJson, false},
};

const Format& FormatOf(const std::string& name) {
  return *std::find_if(std::begin(kFormats), std::end(kFormats), [&](const Format& row) { return name == row.name; });
}

std::string KernelPath() { return std::string(kKernelFolder) + kRunningKernel; }

std::string PathOf(const std::string& name) { return name == kRunningKernel ? KernelPath() : name; }

Result<std::shared_ptr<const btf::Btf>> ReadDumped(const DumpOptions& options) {
  const std::string path = PathOf(options.path);
  std::string base_path = PathOf(options.base);
  // The kernel's modules continue the kernel's own types.
  if (base_path.empty() && path.starts_with(kKernelFolder) && path != KernelPath()) base_path = KernelPath();
  if (base_path.empty()) return elf::ReadTypes(path);
  return elf::ReadTypes(path, STRATA_TRY(elf::ReadTypes(base_path)));
}

bool IsDefinition(btf::Kind kind) {
  using btf::Kind;
  constexpr Kind kDefinitions[] = {Kind::kStruct, Kind::kUnion,   Kind::kEnum,
                                   Kind::kEnum64, Kind::kTypedef, Kind::kForward};
  return std::find(std::begin(kDefinitions), std::end(kDefinitions), kind) != std::end(kDefinitions);
}

Result<std::vector<btf::TypeId>> FindTypes(const btf::Btf& types, const std::vector<std::string>& names,
                                           const Format& format) {
  std::vector<btf::TypeId> found;
  for (const std::string& name : names) {
    auto ids = types.FindAll(name);
    if (format.definitions_only) {
      ids.erase(std::remove_if(ids.begin(), ids.end(), [&](btf::TypeId id) { return !IsDefinition(types.KindOf(id)); }),
                ids.end());
    }
    if (ids.empty()) return Error(ErrorCode::kNotFound, fmt::format("{}: there is no type {}", types.where(), name));
    found.insert(found.end(), ids.begin(), ids.end());
  }
  return found;
}

Result<void> DumpTypes(const DumpOptions& options) {
  const auto types = STRATA_TRY(ReadDumped(options));
  const Format& format = FormatOf(options.format);
  const std::string text = STRATA_TRY(format.dump(*types, STRATA_TRY(FindTypes(*types, options.types, format))));
  std::fwrite(text.data(), 1, text.size(), stdout);
  return {};
}

}  // namespace

void SetUpBtf(CLI::App& app, Invocation* invocation) {
  app.require_subcommand(1);
  auto options = std::make_shared<DumpOptions>();
  CLI::App& dump = *app.add_subcommand("dump", "Print types as C, as text or as JSON");
  dump.add_option("FILE", options->path, "An ELF file with .BTF, a file of raw BTF, or vmlinux: the running kernel")
      ->required();
  dump.add_option("--format", options->format, "c compiles; raw is one line a type")
      ->check(CLI::IsMember({"c", "raw", "json"}))
      ->capture_default_str();
  dump.add_option("--type", options->types, "Only types of this name; may be given again")->allow_extra_args(false);
  dump.add_option("--base", options->base, "The base of split BTF: a file, or vmlinux");
  dump.callback([options, invocation] { invocation->exit_status = ExitStatusOf(DumpTypes(*options)); });
}

}  // namespace strata::tools
