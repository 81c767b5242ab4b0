// strata spec: what an object holds.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "object_file.h"
#include "strata/spec/json.h"
#include "strata/spec/print.h"
#include "verb.h"

namespace strata::tools {
namespace {

struct SpecOptions {
  std::string path;
  bool json = false;
};

Result<void> Print(const SpecOptions& options) {
  const CollectionSpec spec = STRATA_TRY(ReadObject(options.path));
  fmt::print("{}", options.json ? FormatSpecJson(spec) : FormatSpec(spec));
  return {};
}

}  // namespace

void SetUpSpec(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<SpecOptions>();
  app.add_option("OBJECT", options->path, "A compiled eBPF object")->required();
  app.add_flag("--json", options->json, "One JSON object");
  app.callback([options, invocation] { invocation->exit_status = ExitStatusOf(Print(*options)); });
}

}  // namespace strata::tools
