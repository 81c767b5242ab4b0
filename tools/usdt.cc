// strata usdt: the USDT probes of an executable or library.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "object_file.h"
#include "strata/elf/image.h"
#include "strata/link/executable.h"
#include "verb.h"

namespace strata::tools {
namespace {

struct UsdtVerbOptions {
  std::string file;
  bool json = false;
};

void PrintText(const std::vector<elf::UsdtProbe>& probes) {
  for (const elf::UsdtProbe& probe : probes) {
    const std::string semaphore = probe.semaphore_address == 0 ? "-" : fmt::format("{:#x}", probe.semaphore_address);
    fmt::print("{:<40} {:<#12x} {:<12} {}\n", probe.provider + ":" + probe.name, probe.address, semaphore,
               probe.arguments.empty() ? "-" : probe.arguments);
  }
}

void PrintJson(const std::vector<elf::UsdtProbe>& probes) {
  for (const elf::UsdtProbe& probe : probes) {
    nlohmann::ordered_json line = {{"provider", probe.provider},
                                   {"name", probe.name},
                                   {"address", probe.address},
                                   {"file_offset", probe.file_offset}};
    if (probe.semaphore_address != 0) {
      line["semaphore"] = {{"address", probe.semaphore_address}, {"file_offset", probe.semaphore_file_offset}};
    }
    line["arguments"] = probe.arguments;
    // What the file says may be no UTF-8.
    fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }
}

Result<void> Print(const UsdtVerbOptions& options) {
  const Executable file = STRATA_TRY(OpenExecutable(options.file));
  const elf::Image image = STRATA_TRY(elf::Image::Open(file.path()));
  const std::vector<elf::UsdtProbe> probes = STRATA_TRY(image.UsdtProbes());
  options.json ? PrintJson(probes) : PrintText(probes);
  return {};
}

}  // namespace

void SetUpUsdt(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<UsdtVerbOptions>();
  app.add_option("FILE", options->file, "A path, or a name as SEC(\"usdt/FILE:PROVIDER:NAME\") has it")->required();
  app.add_flag("--json", options->json, "One JSON object for each place");
  app.callback([options, invocation] { invocation->exit_status = ExitStatusOf(Print(*options)); });
}

}  // namespace strata::tools
