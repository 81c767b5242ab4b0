// strata gc: userspace objects that nobody uses any more.
#include "strata/garbage.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "object_file.h"
#include "verb.h"

namespace strata::tools {
namespace {

using nlohmann::ordered_json;

struct GcOptions {
  GarbageOptions garbage;
  bool json = false;
};

const char* FateOf(bool is_gone, bool is_dry_run) {
  if (!is_gone) return "kept";
  return is_dry_run ? "would go" : "removed";
}

void PrintText(const SessionReport& report, bool is_dry_run) {
  if (!report.untouched.empty()) {
    fmt::print("session {}: left alone: {}\n", report.session, report.untouched);
    return;
  }
  for (const SessionObject& object : report.objects) {
    fmt::print("session {}: {:<8} {:<7} {:>5}  {:<16} {:>9} bytes: {}\n", report.session,
               FateOf(object.is_garbage, is_dry_run), object.kind, object.id, object.name.empty() ? "-" : object.name,
               object.memory_bytes, object.reason);
  }
  if (report.is_removed) fmt::print("session {}: removed: nothing is left in it\n", report.session);
  if (!report.kept.empty()) fmt::print("session {}: kept: {}\n", report.session, report.kept);
}

void PrintJson(const SessionReport& report, bool is_dry_run) {
  for (const SessionObject& object : report.objects) {
    fmt::print("{}\n", ordered_json({{"type", object.kind},
                                     {"session", report.session},
                                     {"id", object.id},
                                     {"name", object.name},
                                     {"memory_bytes", object.memory_bytes},
                                     {"garbage", object.is_garbage},
                                     {"removed", object.is_garbage && !is_dry_run},
                                     {"reason", object.reason}})
                           .dump());
  }
  const std::string& reason = report.untouched.empty() ? report.kept : report.untouched;
  fmt::print("{}\n", ordered_json({{"type", "session"},
                                   {"session", report.session},
                                   {"removed", report.is_removed},
                                   {"untouched", !report.untouched.empty()},
                                   {"reason", reason}})
                         .dump());
}

Result<void> Collect(const GcOptions& options) {
  for (const SessionReport& report : STRATA_TRY(CollectUserspaceGarbage(options.garbage))) {
    options.json ? PrintJson(report, options.garbage.is_dry_run) : PrintText(report, options.garbage.is_dry_run);
  }
  return {};
}

}  // namespace

void SetUpGc(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<GcOptions>();
  app.add_option("--session", options->garbage.session, "Only this session; all of the runtime folder otherwise");
  app.add_flag("--dry-run", options->garbage.is_dry_run, "Say what would go, and remove nothing");
  app.add_flag("--json", options->json, "One JSON object a line");
  app.footer(
      "An object stays while a process holds it, while it is pinned, and while another that stays uses it.\n"
      "Loaders collect when they open and close a session; this is for what killed ones left.");
  app.callback([options, invocation] { invocation->exit_status = ExitStatusOf(Collect(*options)); });
}

}  // namespace strata::tools
