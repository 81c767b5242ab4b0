// strata disasm: an object's code as text.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <vector>

#include "object_file.h"
#include "strata/spec/disassembly.h"
#include "strata/spec/json.h"
#include "verb.h"

namespace strata::tools {
namespace {

struct DisasmOptions {
  std::string path;
  std::string program;  // empty: all of them
  bool flat = false;
  bool json = false;
};

// One piece of code with what it is called.
struct Listing {
  std::string name;
  std::string section;
  std::vector<DisassembledLine> lines;
};

void PrintText(const std::vector<Listing>& listings) {
  const char* separator = "";
  for (const Listing& listing : listings) {
    fmt::print("{}{}: SEC(\"{}\")\n{}", separator, listing.name, listing.section, FormatDisassembly(listing.lines));
    separator = "\n";
  }
}

void PrintJson(const std::vector<Listing>& listings) {
  for (const Listing& listing : listings) {
    std::string function = listing.name;
    for (const DisassembledLine& line : listing.lines) {
      if (!line.function.empty()) function = line.function;
      fmt::print("{}\n", FormatJson(function, line));
    }
  }
}

class Disassembly {
 public:
  Disassembly(const CollectionSpec& spec, const DisasmOptions& options) : spec_(spec), options_(options) {}

  Result<std::vector<Listing>> Run() {
    for (const auto& [name, program] : spec_.programs) {
      if (IsWanted(name)) STRATA_TRY(Add(name, program));
    }
    if (!options_.flat) {
      for (const auto& [name, function] : spec_.functions) {
        if (IsWanted(name)) AddFunction(name, function);
      }
    }
    if (listings_.empty() && !options_.program.empty()) {
      return Error(ErrorCode::kNotFound,
                   fmt::format("{}: there is no {} {}", options_.path,
                               options_.flat ? "program" : "program or function", options_.program));
    }
    return std::move(listings_);
  }

 private:
  bool IsWanted(const std::string& name) const { return options_.program.empty() || options_.program == name; }

  Result<void> Add(const std::string& name, const ProgramSpec& program) {
    if (!options_.flat) {
      AddFunction(name, program);
      return {};
    }
    const FlatProgram flat = STRATA_TRY(Flatten(spec_, program).Context(fmt::format("program {}", name)));
    listings_.push_back({name, program.section_name, DisassembleLines(spec_, flat)});
    // The listing's heading says it.
    std::vector<DisassembledLine>& lines = listings_.back().lines;
    if (!lines.empty()) lines.front().function.clear();
    return {};
  }

  void AddFunction(const std::string& name, const FunctionSpec& function) {
    listings_.push_back({name, function.section_name, DisassembleLines(spec_, function)});
  }

  const CollectionSpec& spec_;
  const DisasmOptions& options_;
  std::vector<Listing> listings_;
};

Result<void> Print(const DisasmOptions& options) {
  const CollectionSpec spec = STRATA_TRY(ReadObject(options.path));
  const std::vector<Listing> listings = STRATA_TRY(Disassembly(spec, options).Run());
  options.json ? PrintJson(listings) : PrintText(listings);
  return {};
}

}  // namespace

void SetUpDisasm(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<DisasmOptions>();
  app.add_option("OBJECT", options->path, "A compiled eBPF object")->required();
  app.add_option("PROGRAM", options->program, "One program or function; without it, all");
  app.add_flag("--flat", options->flat, "Each program with its subprograms behind it, as the kernel gets it");
  app.add_flag("--json", options->json, "One JSON object for each instruction");
  app.callback([options, invocation] { invocation->exit_status = ExitStatusOf(Print(*options)); });
}

}  // namespace strata::tools
