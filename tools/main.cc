// strata: the command line.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string_view>

#include "verb.h"

namespace {

using strata::tools::VerbSetup;

struct Verb {
  const char* name;
  const char* summary;
  VerbSetup set_up;
};

constexpr Verb kVerbs[] = {
    {"run", "Run a command with the programs of an object attached, and print their maps", strata::tools::SetUpRun},
    {"load", "Make the objects of a file and say what was made", strata::tools::SetUpLoad},
    {"list", "List the maps, programs, links and types that exist", strata::tools::SetUpList},
    {"map", "Look at the elements of maps that exist, and change them", strata::tools::SetUpMap},
    {"prog", "Look at programs that exist", strata::tools::SetUpProg},
    {"feature", "Say what a backend can do", strata::tools::SetUpFeature},
    {"spec", "Show what an object holds: maps, programs, variables, types", strata::tools::SetUpSpec},
    {"disasm", "Show an object's code with source lines and names", strata::tools::SetUpDisasm},
    {"link", "Make one object of several; look at links that exist, and detach them", strata::tools::SetUpLink},
    {"gen", "Write a C++ header of an object: its bytes, types and members", strata::tools::SetUpGen},
    {"btf", "Print the types that a file describes", strata::tools::SetUpBtf},
    {"log", "Follow what programs print with bpf_printk", strata::tools::SetUpLog},
    {"gc", "Remove userspace objects that nobody uses any more, and say what stays and why", strata::tools::SetUpGc},
    {"usdt", "List the USDT probes of an executable or library", strata::tools::SetUpUsdt},
};

int Main(int argc, char** argv) {
  CLI::App app{"eBPF objects on the real kernel or inside the traced process", "strata"};
  app.set_version_flag("--version", "strata " STRATA_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(36);
  // A traced command's arguments are its own, whatever they look like.
  char** const separator = std::find_if(argv, argv + argc, [](std::string_view argument) { return argument == "--"; });
  strata::tools::Invocation invocation;
  if (separator != argv + argc) invocation.command.assign(separator + 1, argv + argc);
  for (const Verb& verb : kVerbs) verb.set_up(*app.add_subcommand(verb.name, verb.summary), &invocation);
  try {
    app.parse(static_cast<int>(separator - argv), argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : strata::tools::kExitUsage;
  }
  return invocation.exit_status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "strata: %s\n", error.what());
    return strata::tools::kExitFailure;
  }
}
