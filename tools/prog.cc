// strata prog: programs that exist.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "event_loop.h"
#include "live_object.h"
#include "object_file.h"
#include "program_text.h"
#include "strata/spec/disassembly.h"
#include "strata/spec/json.h"
#include "strata/spec/type_names.h"
#include "verb.h"

namespace strata::tools {
namespace {

using nlohmann::ordered_json;

struct ProgOptions {
  BackendChoice backend;
  std::string program;
  bool json = false;
  double seconds = 1;
};

std::string MapIds(const ProgramInfo& info) {
  return info.map_ids.empty() ? "none" : fmt::format("{}", fmt::join(info.map_ids, ", "));
}

void ShowText(const ProgramInfo& info) {
  fmt::print("program {}  {}\n", info.id, info.name);
  fmt::print("  type          {}{}\n", ProgramTypeName(info.type), info.is_gpl_compatible ? "  gpl" : "");
  fmt::print("  tag           {}\n", TagText(info));
  fmt::print("  instructions  {} (the verifier walked over {})\n", info.instruction_count,
             info.verified_instruction_count);
  fmt::print("  machine code  {} bytes\n", info.jited_bytes);
  fmt::print("  maps          {}\n", MapIds(info));
  if (info.btf_id != 0) fmt::print("  btf           {}\n", info.btf_id);
  if (info.attach_btf_id != 0) {
    fmt::print("  hooks         type {} of btf {}\n", info.attach_btf_id, info.attach_btf_object_id);
  }
  fmt::print("  loaded by     uid {}, {:.3f} s after boot\n", info.created_by_uid,
             static_cast<double>(info.load_time_ns) / 1e9);
}

void ShowJson(const ProgramInfo& info) {
  ordered_json json = ProgramJson(info);
  json["gpl_compatible"] = info.is_gpl_compatible;
  json["verified_instructions"] = info.verified_instruction_count;
  json["jited_bytes"] = info.jited_bytes;
  json["map_ids"] = info.map_ids;
  json["btf_id"] = info.btf_id;
  json["attach_btf_id"] = info.attach_btf_id;
  json["attach_btf_object_id"] = info.attach_btf_object_id;
  json["uid"] = info.created_by_uid;
  json["load_time_ns"] = info.load_time_ns;
  fmt::print("{}\n", json.dump());
}

Result<void> Show(const ProgOptions& options) {
  const auto backend = STRATA_TRY(options.backend.Open());
  const Program program = STRATA_TRY(FindLiveProgram(backend, options.program));
  options.json ? ShowJson(program.info()) : ShowText(program.info());
  return {};
}

// What the verifier made of the program, as the disassembler takes it. Source lines are printed by it from a BTF, so
// they are put in front by hand where they start.
std::vector<DisassembledLine> LinesOf(const ProgramCode& code) {
  FlatProgram flat;
  flat.instructions = code.instructions;
  for (const ProgramFunction& function : code.functions) {
    flat.functions.push_back({.index = function.index, .type = {}, .name = function.name});
  }
  std::vector<DisassembledLine> lines = DisassembleLines(CollectionSpec{}, flat);
  auto source = code.lines.begin();
  for (DisassembledLine& line : lines) {
    while (source != code.lines.end() && source->index < line.index) ++source;
    if (source == code.lines.end() || source->index != line.index) continue;
    line.source_file = source->file;
    line.source_line = source->line;
    line.source_text = source->text;
  }
  return lines;
}

// The kernel puts the distance from __bpf_call_base into a call, which its symbols turn into a name again. Where it
// hides addresses the numbers stay.
void NameCalls(const KernelFacts& kernel, std::vector<DisassembledLine>& lines) {
  constexpr std::string_view kUnknown = "call unknown#";
  std::map<std::uint64_t, std::string> names;
  const auto base = kernel.AddressOf("__bpf_call_base");
  if (!base || !*base) return;
  const auto address_of = [&](const DisassembledLine& line) {
    return **base + static_cast<std::uint64_t>(std::int64_t{line.instruction.imm});
  };
  for (const DisassembledLine& line : lines) {
    if (line.text.starts_with(kUnknown)) names.emplace(address_of(line), "");
  }
  if (names.empty()) return;
  const auto read = kernel.ForEachSymbol([&](const KernelFacts::Symbol& symbol) {
    const auto wanted = names.find(symbol.address);
    if (wanted != names.end() && wanted->second.empty()) wanted->second = symbol.name;
  });
  if (!read) return;
  for (DisassembledLine& line : lines) {
    if (!line.text.starts_with(kUnknown)) continue;
    if (const std::string& name = names.at(address_of(line)); !name.empty()) line.text = "call " + name;
  }
}

Result<void> Dump(const ProgOptions& options) {
  const auto backend = STRATA_TRY(options.backend.Open());
  const Program program = STRATA_TRY(FindLiveProgram(backend, options.program));
  const ProgramCode code = STRATA_TRY(program.Code());
  if (code.instructions.empty()) {
    return Error(ErrorCode::kPermissionDenied, fmt::format("program {}: the kernel hides its instructions: reading "
                                                           "them needs CAP_PERFMON and CAP_BPF, or CAP_SYS_ADMIN",
                                                           program.info().name));
  }
  std::vector<DisassembledLine> lines = LinesOf(code);
  if (backend->runs_in_kernel()) NameCalls(backend->kernel(), lines);
  if (!options.json) {
    fmt::print("{}", FormatDisassembly(lines));
    return {};
  }
  std::string function = program.info().name;
  for (const DisassembledLine& line : lines) {
    if (!line.function.empty()) function = line.function;
    fmt::print("{}\n", FormatJson(function, line));
  }
  return {};
}

// Counts over an interval, because the kernel counts only while somebody asks it to.
Result<void> Stats(const ProgOptions& options) {
  const auto backend = STRATA_TRY(options.backend.Open());
  const Program program = STRATA_TRY(FindLiveProgram(backend, options.program));
  EventLoop loop = STRATA_TRY(EventLoop::Make());
  const auto guard = STRATA_TRY(backend->EnableStats(StatsDetail::kTime));
  const ProgramStats before = STRATA_TRY(program.Stats());
  const auto start = std::chrono::steady_clock::now();
  STRATA_TRY(loop.Run(std::chrono::nanoseconds(static_cast<std::int64_t>(options.seconds * 1e9))));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const ProgramStats after = STRATA_TRY(program.Stats());
  const std::uint64_t runs = after.run_count - before.run_count;
  const std::uint64_t time_ns = after.run_time_ns - before.run_time_ns;
  const std::uint64_t missed = after.missed_count - before.missed_count;
  const double ns_per_run = runs == 0 ? 0 : static_cast<double>(time_ns) / static_cast<double>(runs);
  if (options.json) {
    fmt::print("{}\n", ordered_json({{"type", "program_stats"},
                                     {"id", program.info().id},
                                     {"name", program.info().name},
                                     {"seconds", took.count()},
                                     {"runs", runs},
                                     {"missed", missed},
                                     {"run_time_ns", time_ns}})
                           .dump());
    return {};
  }
  fmt::print("program {}  {}: {} runs in {:.2f} s, {:.0f} a second, {:.0f} ns each, {} missed\n", program.info().id,
             program.info().name, runs, took.count(), static_cast<double>(runs) / took.count(), ns_per_run, missed);
  return {};
}

Result<void> SetEnabled(const ProgOptions& options, bool is_enabled) {
  const auto backend = STRATA_TRY(options.backend.Open());
  return backend->SetProgramEnabled(STRATA_TRY(FindProgramId(backend, options.program)), is_enabled);
}

Result<void> Enable(const ProgOptions& options) { return SetEnabled(options, true); }
Result<void> Disable(const ProgOptions& options) { return SetEnabled(options, false); }

// One row per thing to do with a program.
struct Action {
  const char* name;
  const char* summary;
  Result<void> (*run)(const ProgOptions& options);
};

constexpr Action kActions[] = {
    {"show", "Print what is known of a program", Show},
    {"dump", "Print its instructions as they run, with source lines", Dump},
    {"stats", "Count and time its runs for a while", Stats},
    {"enable", "Let its links run it again", Enable},
    {"disable", "Let none of its links run it (userspace)", Disable},
};

}  // namespace

void SetUpProg(CLI::App& app, Invocation* invocation) {
  app.require_subcommand(1);
  app.footer("PROGRAM is an id, a path of a pin (it has a '/'), or a name.");
  for (const Action& action : kActions) {
    auto options = std::make_shared<ProgOptions>();
    CLI::App& sub = *app.add_subcommand(action.name, action.summary);
    sub.add_option("PROGRAM", options->program, "Id, path or name")->required();
    sub.add_flag("--json", options->json, "JSON");
    if (action.run == Stats) {
      sub.add_option("--seconds", options->seconds, "How long; Ctrl-C ends it earlier")
          ->check(CLI::Range(0.01, 86400.0))
          ->capture_default_str();
    }
    AddBackendOptions(sub, options->backend);
    sub.callback([options, invocation, run = action.run] { invocation->exit_status = ExitStatusOf(run(*options)); });
  }
}

}  // namespace strata::tools
