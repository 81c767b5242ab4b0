// strata gen: a C++ header of an object.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "new_file.h"
#include "object_file.h"
#include "strata/base/mapped_file.h"
#include "strata/elf/linker.h"
#include "strata/elf/reader.h"
#include "strata/spec/skeleton.h"
#include "verb.h"

namespace strata::tools {
namespace {

struct GenOptions {
  std::string object;
  std::string output;
  bool keep_debug = false;
  SkeletonOptions skeleton;
};

// Linked with nothing else: the same without debug information, which may be most of a file and names folders of the
// machine that compiled it.
Result<std::vector<std::byte>> ReadBytes(const GenOptions& options) {
  const MappedFile file = STRATA_TRY(MappedFile::Open(options.object));
  const auto bytes = file.bytes();
  if (options.keep_debug) return std::vector<std::byte>(bytes.begin(), bytes.end());
  const elf::LinkInput input{options.object, bytes};
  return elf::LinkObjects(std::span(&input, 1));
}

Result<void> WriteText(const std::string& path, const std::string& text) {
  if (path.empty()) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return {};
  }
  NewFile file = STRATA_TRY(NewFile::Create(path));
  STRATA_TRY(file.Write(std::as_bytes(std::span(text))));
  return std::move(file).Commit();
}

Result<void> Generate(const GenOptions& options) {
  const std::vector<std::byte> object = STRATA_TRY(ReadBytes(options));
  const CollectionSpec spec = STRATA_TRY(elf::ReadCollectionSpec(object, {.path = options.object}));
  return WriteText(options.output, STRATA_TRY(GenerateSkeleton(spec, object, options.skeleton)));
}

}  // namespace

void SetUpGen(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<GenOptions>();
  app.add_option("OBJECT", options->object, "A compiled eBPF object")->required();
  app.add_option("-o,--output", options->output, "The header to write; standard output without it");
  app.add_option("--name", options->skeleton.name, "Of the class; the object's name without it");
  app.add_option("--namespace", options->skeleton.name_space, "Around everything, for example tool::bpf");
  app.add_option("--type", options->skeleton.types, "One more type of the object to define; may be given again")
      ->allow_extra_args(false);
  app.add_flag("--keep-debug", options->keep_debug, "Embed the file as it is, with its debug information");
  app.callback([options, invocation] { invocation->exit_status = ExitStatusOf(Generate(*options)); });
}

}  // namespace strata::tools
