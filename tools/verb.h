// The command line's verbs: one row and one file each.
#pragma once

namespace CLI {
class App;
}

namespace strata::tools {

inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

// Declares the verb's options on `app` and, when the verb is chosen, sets `*exit_status`.
using VerbSetup = void (*)(CLI::App& app, int* exit_status);

void SetUpRun(CLI::App& app, int* exit_status);
void SetUpList(CLI::App& app, int* exit_status);

}  // namespace strata::tools
