// strata log: what programs print with bpf_printk.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <optional>

#include "event_loop.h"
#include "live_object.h"
#include "object_file.h"
#include "verb.h"

namespace strata::tools {
namespace {

struct LogOptions {
  BackendChoice backend{.backend = "userspace", .session = "default"};
  bool is_once = false;
};

Result<void> PrintLines(TraceLog& log) {
  auto drained = log.Drain([](std::string_view line) { fmt::print("{}\n", line); });
  std::fflush(stdout);  // whoever reads a pipe wants each line when it is written
  return drained;
}

Result<void> Follow(const LogOptions& options) {
  const auto backend = STRATA_TRY(options.backend.Open());
  const auto log = STRATA_TRY(backend->OpenTraceLog());
  EventLoop loop = STRATA_TRY(EventLoop::Make());  // who sees the first line may interrupt it from then on
  STRATA_TRY(PrintLines(*log));
  if (options.is_once) return {};
  std::optional<Error> failure;
  loop.Watch(log->poll_descriptor(), [&] {
    const auto printed = PrintLines(*log);
    if (!printed) failure = printed.error();
    return printed.has_value();
  });
  STRATA_TRY(PrintLines(*log));  // what came before the loop watched
  STRATA_TRY(loop.Run(std::nullopt));
  return failure ? Result<void>(*failure) : Result<void>();
}

}  // namespace

void SetUpLog(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<LogOptions>();
  app.add_flag("--once", options->is_once, "Print the lines that are there, and end");
  AddBackendOptions(app, options->backend);
  app.footer("Each line has one reader: what is printed here no other reader gets. Ctrl-C ends it.");
  app.callback([options, invocation] { invocation->exit_status = ExitStatusOf(Follow(*options)); });
}

}  // namespace strata::tools
