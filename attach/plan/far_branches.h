// Finds branches into a few bytes of a text segment whose functions are not known.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace strata::attach {

// The offset of a direct branch whose target is in [begin, end). Code without symbols cannot be decoded from its start,
// so every byte is taken for a branch's first: what looks like one but is none costs a probe, a branch that is missed
// would crash the program.
std::optional<std::size_t> FindBranchInto(std::span<const std::byte> text, std::size_t begin, std::size_t end);

}  // namespace strata::attach
