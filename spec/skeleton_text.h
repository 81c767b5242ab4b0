// Text of an object inside of C++: whatever it holds, it stays what it is there.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace strata {

// In a comment of one line.
std::string CommentText(std::string_view text);

// Between the quotes of a string literal.
std::string LiteralText(std::string_view text);

// String literals, one a line, each indented: compilers take megabytes of them at once, unlike a list of numbers.
std::string LiteralLines(std::span<const std::byte> bytes);

}  // namespace strata
