// strata link: several objects made one.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "new_file.h"
#include "object_file.h"
#include "strata/base/mapped_file.h"
#include "strata/elf/linker.h"
#include "verb.h"

namespace strata::tools {
namespace {

struct LinkOptions {
  std::string output;
  std::vector<std::string> inputs;
};

Result<void> Link(const LinkOptions& options) {
  std::vector<MappedFile> files;
  for (const std::string& path : options.inputs) files.push_back(STRATA_TRY(MappedFile::Open(path)));
  std::vector<elf::LinkInput> inputs;
  for (const MappedFile& file : files) inputs.push_back({file.path(), file.bytes()});
  const std::vector<std::byte> object = STRATA_TRY(elf::LinkObjects(inputs));
  NewFile file = STRATA_TRY(NewFile::Create(options.output));
  STRATA_TRY(file.Write(object));
  return std::move(file).Commit();
}

}  // namespace

void SetUpLink(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<LinkOptions>();
  app.add_option("-o,--output", options->output, "The object to write")->required();
  app.add_option("OBJECTS", options->inputs, "Compiled eBPF objects")->required();
  app.callback([options, invocation] { invocation->exit_status = ExitStatusOf(Link(*options)); });
}

}  // namespace strata::tools
