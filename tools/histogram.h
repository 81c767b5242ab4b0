// Power-of-two histograms as text.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace strata::tools {

// One line per slot from the first to the last that is not empty, with a bar; slot n counts values in [2^n, 2^(n+1)),
// slot 0 also counts 0. Empty for no counts.
std::string FormatHistogram(std::span<const std::uint64_t> slots);

}  // namespace strata::tools
