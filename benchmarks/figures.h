// What every program under benchmarks/ prints with --figures: one JSON object a line and figure, measured in this run.
#pragma once

#include <optional>
#include <string_view>

namespace strata::bench {

// Comparisons of the same run, where they exist; in the figure's unit.
struct Comparison {
  std::optional<double> kernel = {};
  std::optional<double> native = {};
  std::optional<double> libbpf = {};
};

// Prints `figure` with its unit and target from the table in figures.cc. Aborts for a figure that has no row: a figure
// without a target is not one.
void PrintFigure(std::string_view figure, double value, const Comparison& comparison = {});

// Whether the command line asks for figures; every other argument is the benchmark library's.
bool WantsFigures(int argc, char** argv);

// The main() of a program without the benchmark library: calls `run`, and turns what it throws into a message and 1.
int RunMain(int argc, char** argv, int (*run)(bool figures));

}  // namespace strata::bench
