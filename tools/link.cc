// strata link: several objects made one; links that exist.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "link_text.h"
#include "live_object.h"
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

Result<void> LinkFiles(const LinkOptions& options) {
  std::vector<MappedFile> files;
  for (const std::string& path : options.inputs) files.push_back(STRATA_TRY(MappedFile::Open(path)));
  std::vector<elf::LinkInput> inputs;
  for (const MappedFile& file : files) inputs.push_back({file.path(), file.bytes()});
  const std::vector<std::byte> object = STRATA_TRY(elf::LinkObjects(inputs));
  NewFile file = STRATA_TRY(NewFile::Create(options.output));
  STRATA_TRY(file.Write(object));
  return std::move(file).Commit();
}

struct LiveLinkOptions {
  BackendChoice backend;
  std::string link;
  bool json = false;
};

Result<void> Show(const LiveLinkOptions& options) {
  const auto backend = STRATA_TRY(options.backend.Open());
  const auto link = STRATA_TRY(FindLiveLink(backend, options.link));
  const LinkInfo info = STRATA_TRY(link.Info());
  if (options.json) {
    fmt::print("{}\n", LinkJson(info).dump());
  } else {
    fmt::print("link {}  {}, program {}{}\n", info.id, info.kind, info.program_id, LinkPlace(info));
  }
  return {};
}

Result<void> Detach(const LiveLinkOptions& options) {
  const auto backend = STRATA_TRY(options.backend.Open());
  return STRATA_TRY(FindLiveLink(backend, options.link))
  .Detach();
}

void AddLiveLinkVerb(CLI::App& app, Invocation* invocation, const char* name, const char* summary,
                     Result<void> (*run)(const LiveLinkOptions&)) {
  auto options = std::make_shared<LiveLinkOptions>();
  CLI::App& sub = *app.add_subcommand(name, summary);
  sub.add_option("LINK", options->link, "Id, or path of a pin")->required();
  if (run == Show) sub.add_flag("--json", options->json, "One JSON object");
  AddBackendOptions(sub, options->backend);
  sub.callback([options, invocation, run] { invocation->exit_status = ExitStatusOf(run(*options)); });
}

}  // namespace

void SetUpLink(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<LinkOptions>();
  auto* output = app.add_option("-o,--output", options->output, "The object to write");
  app.add_option("OBJECTS", options->inputs, "Compiled eBPF objects");
  app.require_subcommand(0, 1);
  app.footer("Files that are called like a subcommand are written ./show and ./detach.");
  AddLiveLinkVerb(app, invocation, "show", "Print what is known of a link that exists", Show);
  AddLiveLinkVerb(app, invocation, "detach", "Detach a link, whoever holds it", Detach);
  app.callback([&app, output, options, invocation] {
    if (!app.get_subcommands().empty()) return;
    if (output->empty()) throw CLI::RequiredError("--output");
    if (options->inputs.empty()) throw CLI::RequiredError("OBJECTS");
    invocation->exit_status = ExitStatusOf(LinkFiles(*options));
  });
}

}  // namespace strata::tools
