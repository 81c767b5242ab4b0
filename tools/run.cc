// strata run: one object, one command, and what the programs saw of it.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <sstream>

#include "event_loop.h"
#include "live_object.h"
#include "map_printer.h"
#include "output.h"
#include "strata/strata.h"
#include "traced_command.h"
#include "verb.h"

namespace strata::tools {
namespace {

struct RunOptions {
  std::string backend = "userspace";
  std::string format = "text";
  std::string session = "default";
  std::string share;
  double duration_seconds = 0;
  bool time_programs = false;
  bool verbose = false;
  std::string object;
  std::vector<std::string> command;
};

std::vector<std::string> SearchFolders() {
  std::vector<std::string> folders;
  const char* path = std::getenv("PATH");
  std::istringstream entries(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
  for (std::string folder; std::getline(entries, folder, ':');) folders.push_back(folder);
  return folders;
}

void Remark(std::string_view text) { fmt::print(stderr, "strata: {}\n", text); }

// bpf_trace_printk and bpf_trace_vprintk.
bool IsPrintCall(const isa::Instruction& instruction) {
  constexpr std::uint8_t kCallOpcode = 0x85;
  return instruction.opcode == kCallOpcode && instruction.src == 0 && (instruction.imm == 6 || instruction.imm == 177);
}

bool Prints(const CollectionSpec& spec) {
  const auto prints = [](const auto& named) {
    const auto& code = named.second.instructions;
    return std::any_of(code.begin(), code.end(), IsPrintCall);
  };
  return std::any_of(spec.programs.begin(), spec.programs.end(), prints) ||
         std::any_of(spec.functions.begin(), spec.functions.end(), prints);
}

struct Ring {
  const Map* map;
  RingReader reader;
};

class TracingRun {
 public:
  explicit TracingRun(const RunOptions& options)
      : options_(options), output_(options.format == "json" ? MakeJsonOutput() : MakeTextOutput()) {}

  // The exit status to pass on.
  Result<int> Run() {
    const CollectionSpec spec = STRATA_TRY(LoadCollectionSpec(options_.object));
    auto loop = STRATA_TRY(EventLoop::Make());
    backend_ = STRATA_TRY(OpenBackend(options_.backend, {.session = options_.session,
                                                         .runtime_folder = {},
                                                         .share = options_.share,
                                                         .agent_path = {},
                                                         .handle_fault_signals = true}));
    auto command = STRATA_TRY(TracedCommand::Start(options_.command, backend_->TracedEnvironment()));
    stats_ = STRATA_TRY(backend_->EnableStats(options_.time_programs ? StatsDetail::kTime : StatsDetail::kCount));
    objects_.emplace(STRATA_TRY(LoadCollection(backend_, spec).Context(options_.object)));
    STRATA_TRY(AttachAll(command.pid()));
    STRATA_TRY(WatchRings(loop));
    WatchLog(loop);
    loop.Watch(command.descriptor(), [] { return false; });
    STRATA_TRY(command.Release());
    const LoopEnd end = STRATA_TRY(loop.Run(Deadline()));
    DrainLog();  // while the command, though ended, still has its name
    const int exit_status = STRATA_TRY(EndCommand(command, end));
    STRATA_TRY(Report(exit_status));
    STRATA_TRY(CheckAttached());
    return exit_status;
  }

 private:
  std::optional<std::chrono::nanoseconds> Deadline() const {
    if (options_.duration_seconds <= 0) return std::nullopt;
    return std::chrono::nanoseconds(static_cast<std::int64_t>(options_.duration_seconds * 1e9));
  }

  Result<void> AttachAll(pid_t pid) {
    for (const auto& [name, program] : objects_->programs()) {
      links_.push_back({
        &program, STRATA_TRY(AutoAttach(program,
                                        {.pid = pid, .agent = AgentPolicy::kExpect, .search_folders = SearchFolders()}))
      });
      if (options_.verbose) {
        Remark(fmt::format("program {}: {} instructions, {}, attached to {}", name, program.info().instruction_count,
                           program.info().is_verified ? "verified" : "unverified", program.spec().attach_to));
      }
    }
    return {};
  }

  Result<void> WatchRings(EventLoop& loop) {
    for (const auto& [name, map] : objects_->maps()) {
      if (map.info().type != MapType::kRingBuf) continue;
      rings_.push_back({ &map, STRATA_TRY(RingReader::Open(map)) });
    }
    for (Ring& ring : rings_) {
      loop.Watch(ring.reader.poll_descriptor(), [this, &ring] {
        DrainRing(ring);
        return true;
      });
    }
    return {};
  }

  void DrainRing(Ring& ring) {
    const auto consumed = ring.reader.Consume([&](std::span<const std::byte> record) {
      const MapSpec& definition = objects_->spec().maps.at(ring.map->name());
      output_->Record(ring.map->name(), DecodeRecord(objects_->spec(), definition, record));
      return true;
    });
    if (!consumed) Remark(consumed.error().message());
  }

  // Only for programs that print: the kernel's log is one for all, and reading takes lines away from others.
  void WatchLog(EventLoop& loop) {
    if (!Prints(objects_->spec())) return;
    auto log = backend_->OpenTraceLog();
    if (!log) {
      Remark(log.error().message());
      return;
    }
    log_ = *std::move(log);
    loop.Watch(log_->poll_descriptor(), [this] {
      DrainLog();
      return true;
    });
  }

  void DrainLog() {
    if (log_ == nullptr) return;
    const auto drained = log_->Drain([this](std::string_view line) { output_->Log(line); });
    if (!drained) {
      Remark(drained.error().message());
      log_.reset();
    }
  }

  // At the deadline or an interrupt the command is ended too; its status is then that of the ending we asked for.
  Result<int> EndCommand(TracedCommand& command, LoopEnd end) {
    if (end == LoopEnd::kStopped) return command.Wait();
    command.Terminate();
    const int status = command.Wait();
    if (end == LoopEnd::kDeadline) return 0;
    return status == 0 ? 130 : status;
  }

  Result<void> Report(int exit_status) {
    for (Ring& ring : rings_) DrainRing(ring);
    DrainLog();
    Summary summary = STRATA_TRY(CollectStats());
    summary.exit_status = exit_status;
    STRATA_TRY(PrintMaps(*objects_, *output_));
    output_->Finish(summary);
    return {};
  }

  Result<Summary> CollectStats() {
    Summary summary;
    summary.backend = backend_->name();
    std::uint64_t time_ns = 0;
    for (const auto& [name, program] : objects_->programs()) {
      const ProgramStats stats = STRATA_TRY(program.Stats());
      summary.events += stats.run_count;
      summary.lost += stats.missed_count;
      time_ns += stats.run_time_ns;
    }
    for (const Ring& ring : rings_) summary.lost += ring.reader.dropped();
    if (time_ns > 0 && summary.events > 0) {
      summary.ns_per_event = static_cast<double>(time_ns) / static_cast<double>(summary.events);
    }
    return summary;
  }

  // A command that never loaded the agent, or an agent that refused, would otherwise look like one without events.
  Result<void> CheckAttached() {
    for (const Attached& attached : links_) {
      const auto instances = STRATA_TRY(attached.link.Instances());
      if (instances.empty() && !backend_->TracedEnvironment().empty()) {
        return Error(ErrorCode::kNotSupported,
                     fmt::format("program {}: the command did not load the agent: it is statically linked, set-user-id "
                                 "or ended before; use --backend kernel",
                                 attached.program->name()));
      }
      for (const LinkInstance& instance : instances) {
        if (instance.state == LinkInstance::State::kAttached) continue;
        if (instance.state == LinkInstance::State::kPending) {
          Remark(fmt::format("program {}: process {}: {}: {}", attached.program->name(), instance.pid,
                             attached.program->spec().attach_to, instance.reason));
          continue;
        }
        return Error(ErrorCode::kNotSupported, fmt::format("program {}: not attached in process {}: {}",
                                                           attached.program->name(), instance.pid, instance.reason));
      }
    }
    return {};
  }

  struct Attached {
    const Program* program;
    Link link;
  };

  const RunOptions& options_;
  std::unique_ptr<Output> output_;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<StatsGuard> stats_;
  std::optional<Collection> objects_;
  std::vector<Attached> links_;
  std::vector<Ring> rings_;
  std::unique_ptr<TraceLog> log_;
};

}  // namespace

void SetUpRun(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<RunOptions>();
  app.add_option("--backend", options->backend, "Where the programs run")
      ->check(CLI::IsMember({"userspace", "kernel"}))
      ->capture_default_str();
  app.add_option("--format", options->format, "How results are printed; json is one object a line")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_option("--duration", options->duration_seconds, "End the command after this many seconds")
      ->check(CLI::PositiveNumber)
      ->option_text("SECONDS");
  app.add_option("--session", options->session, "The userspace session to work in")->capture_default_str();
  AddShareOption(app, options->share);
  app.add_flag("--time", options->time_programs, "Measure the time spent in the programs");
  app.add_flag("-v,--verbose", options->verbose, "Say what is loaded and attached");
  app.add_option("OBJECT", options->object, "A compiled eBPF object")->required();
  app.footer(
      "Usage: strata run [OPTIONS] OBJECT.bpf.o -- COMMAND [ARG...]\n\n"
      "Attaches each program to what its section names, for example SEC(\"uprobe/libc.so.6:malloc\"), runs the "
      "command, and prints\n"
      "the maps when it ends, after SECONDS, or at Ctrl-C. The command's exit status is passed on; 1 is an error of "
      "strata's own, 2\n"
      "a wrong command line. See docs/strata-run.md.");
  app.callback([options, invocation] {
    if (invocation->command.empty()) throw CLI::RequiredError("-- COMMAND");
    options->command = invocation->command;
    auto status = TracingRun(*options).Run();
    if (!status) Remark(status.error().message());
    if (!status && options->verbose && !status.error().log().empty()) fmt::print(stderr, "{}\n", status.error().log());
    invocation->exit_status = std::move(status).value_or(kExitFailure);
  });
}

}  // namespace strata::tools
