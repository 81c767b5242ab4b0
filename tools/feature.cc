// strata feature: what a backend can do.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "live_object.h"
#include "object_file.h"
#include "strata/backend/feature.h"
#include "verb.h"

namespace strata::tools {
namespace {

struct FeatureOptions {
  BackendChoice backend;
  std::string filter;
  bool json = false;
  bool only_missing = false;
};

const char* SupportText(Support support) {
  switch (support) {
    case Support::kYes:
      return "yes";
    case Support::kNo:
      return "no";
    case Support::kInconclusive:
      break;
  }
  return "unknown";
}

void Print(const FeatureOptions& options, const std::string& name, const Feature& feature,
           const FeatureAnswer& answer) {
  if (options.json) {
    nlohmann::ordered_json json = {{"type", "feature"}, {"name", name}, {"support", SupportText(answer.support)}};
    if (!answer.reason.empty()) json["reason"] = answer.reason;
    if (FirstKernelWith(feature) != 0) json["since"] = KernelVersionText(FirstKernelWith(feature));
    fmt::print("{}\n", json.dump());
    return;
  }
  std::string line = fmt::format("{:<8} {}", SupportText(answer.support), name);
  if (answer.support != Support::kYes && FirstKernelWith(feature) != 0) {
    line += fmt::format(" (Linux {})", KernelVersionText(FirstKernelWith(feature)));
  }
  if (!answer.reason.empty()) line += ": " + answer.reason;
  fmt::print("{}\n", line);
}

Result<void> ProbeAll(const FeatureOptions& options) {
  const auto backend = STRATA_TRY(options.backend.Open());
  bool found = false;
  for (const Feature& feature : KnownFeatures()) {
    const std::string name = FeatureName(feature);
    if (name.find(options.filter) == std::string::npos) continue;
    found = true;
    const FeatureAnswer answer = backend->Probe(feature);
    if (options.only_missing && answer.support == Support::kYes) continue;
    Print(options, name, feature, answer);
  }
  if (!found) return Error(ErrorCode::kNotFound, fmt::format("no feature's name has \"{}\" in it", options.filter));
  return {};
}

}  // namespace

void SetUpFeature(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<FeatureOptions>();
  app.add_option("TEXT", options->filter, "Only features with this text in their name: \"tcx\", \"map type\"");
  app.add_flag("--missing", options->only_missing, "Only what is not there");
  app.add_flag("--json", options->json, "One JSON object a line");
  AddBackendOptions(app, options->backend);
  app.callback([options, invocation] { invocation->exit_status = ExitStatusOf(ProbeAll(*options)); });
}

}  // namespace strata::tools
