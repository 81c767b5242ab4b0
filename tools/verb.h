// The command line's verbs: one row and one file each.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace strata::tools {

inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

struct Invocation {
  std::vector<std::string> command;  // what stands behind "--"
  int exit_status = 0;               // set by the verb that was chosen
};

// Declares the verb's options on `app`, and what happens when it is chosen. `invocation` lives until the end of main().
using VerbSetup = void (*)(CLI::App& app, Invocation* invocation);

void SetUpRun(CLI::App& app, Invocation* invocation);
void SetUpList(CLI::App& app, Invocation* invocation);
void SetUpSpec(CLI::App& app, Invocation* invocation);
void SetUpDisasm(CLI::App& app, Invocation* invocation);
void SetUpLink(CLI::App& app, Invocation* invocation);
void SetUpLoad(CLI::App& app, Invocation* invocation);
void SetUpMap(CLI::App& app, Invocation* invocation);
void SetUpProg(CLI::App& app, Invocation* invocation);
void SetUpFeature(CLI::App& app, Invocation* invocation);
void SetUpGen(CLI::App& app, Invocation* invocation);
void SetUpBtf(CLI::App& app, Invocation* invocation);
void SetUpUsdt(CLI::App& app, Invocation* invocation);
void SetUpGc(CLI::App& app, Invocation* invocation);
void SetUpLog(CLI::App& app, Invocation* invocation);

}  // namespace strata::tools
