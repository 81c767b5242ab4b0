#include "skeleton_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace strata {

// A "\" at the end would go on in the next line.
std::string CommentText(std::string_view text) {
  std::string printable(text);
  std::replace_if(
      printable.begin(), printable.end(), [](char c) { return c < ' ' || c > '~' || c == '\\'; }, '?');
  return printable;
}

// What is not plain is an octal escape, which ends after three digits. "?" could start a trigraph.
std::string LiteralText(std::string_view text) {
  std::string literal;
  literal.reserve(text.size() * 3);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '?') {
      literal += c;
      continue;
    }
    const bool goes_on = i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '7';
    const unsigned value = static_cast<unsigned char>(c);
    literal += goes_on ? fmt::format("\\{:03o}", value) : fmt::format("\\{:o}", value);
  }
  return literal;
}

std::string LiteralLines(std::span<const std::byte> bytes) {
  constexpr std::size_t kLineBytes = 64;
  constexpr std::string_view kIndent = "      ";
  std::string lines;
  lines.reserve(bytes.size() * 3);
  while (!bytes.empty()) {
    const auto line = bytes.first(std::min(kLineBytes, bytes.size()));
    const std::string_view text(reinterpret_cast<const char*>(line.data()), line.size());
    lines += fmt::format("{}{}\"{}\"", lines.empty() ? "" : "\n", kIndent, LiteralText(text));
    bytes = bytes.subspan(line.size());
  }
  return lines.empty() ? fmt::format("{}\"\"", kIndent) : lines;
}

}  // namespace strata
